"""What a process asks of AWS, and the capacity that DynamoDB would bill for it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from time import thread_time
from typing import Any, Final

import boto3

READ_UNIT: Final = 4096
"""Bytes; half a unit for so many where the read need not be consistent.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""
WRITE_UNIT: Final = 1024
"""Bytes. A write whose condition does not hold costs the same."""


@dataclass
class Usage:
    """``requests`` are counted as service.Operation. ``scan_units`` are those of ``read_units`` that scans took."""

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    scan_units: float = 0
    scanned_bytes: int = 0
    write_units: int = 0

    def of(self, service: str) -> int:
        """How many requests a service got."""
        return sum(count for name, count in self.requests.items() if name.startswith(f"{service}."))


class Meter:
    """Between all clients of the process, made from here on, and AWS. What it does itself is in ``own_seconds``."""

    def __init__(self, on_scan: Callable[[], None] = lambda: None) -> None:
        self._on_scan = on_scan
        self._lock = Lock()
        self.usage = Usage()
        self.own_seconds = 0.0
        boto3.setup_default_session()
        events = boto3._get_default_session().events  # noqa: SLF001 - boto3.client() is made of it.
        events.register("before-parameter-build.dynamodb", self._asks)
        events.register("after-call", self._was_answered)

    def take(self) -> Usage:
        """All that was asked since the last time."""
        with self._lock:
            usage, self.usage = self.usage, Usage()
            return usage

    def _asks(self, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context["consistent"] = params.get("ConsistentRead", False)

    def _was_answered(self, model: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401
        began = thread_time()
        service, operation = model.service_model.service_name, model.name
        with self._lock:
            self.usage.requests[f"{service}.{operation}"] += 1
            if service == "dynamodb":
                self._count_units(operation, parsed, consistent=context["consistent"])
        if operation == "Scan":
            self._on_scan()
        self.own_seconds += thread_time() - began

    def _count_units(self, operation: str, parsed: Mapping[str, Any], *, consistent: bool) -> None:
        if operation == "UpdateItem":
            # The item as it is afterwards. Where the condition did not hold it is as it was, under another name.
            item = parsed.get("Attributes") or parsed.get("Item") or {}
            self.usage.write_units += max(1, ceil(item_bytes(item) / WRITE_UNIT))
            return
        items = parsed.get("Items", [parsed.get("Item", {})])
        read = sum(map(item_bytes, items))
        units = max(1, ceil(read / READ_UNIT)) * (1 if consistent else 0.5)
        self.usage.read_units += units
        if operation == "Scan":
            self.usage.scan_units += units
            self.usage.scanned_bytes += read


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB bills it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    match value:
        case {"S": text}:
            return len(text.encode())
        case {"N": number}:
            significant = number.lstrip("-").replace(".", "").strip("0")
            return ceil(len(significant) / 2) + 1
        case {"L": elements}:
            return 3 + sum(1 + _value_bytes(each) for each in elements)
        case {"M": members}:
            return 3 + len(members) + item_bytes(members)
        case _:
            return 1  # BOOL and NULL. There are no others in the table.
