"""Meters the requests of a process to AWS, and the capacity units that DynamoDB would bill for them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from time import thread_time
from typing import Any, Final

import boto3

READ_UNIT: Final = 4096
"""Bytes. An eventually consistent read takes half a unit for as many.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""
WRITE_UNIT: Final = 1024
"""Bytes. A write whose condition fails costs the same."""


@dataclass
class Usage:
    """Requests to AWS, counted as service.Operation, and their capacity. ``scan_units`` are part of ``read_units``."""

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    scan_units: float = 0
    scanned_bytes: int = 0
    write_units: int = 0

    def requests_to(self, service: str) -> int:
        """Count the requests to a service."""
        return sum(count for name, count in self.requests.items() if name.startswith(f"{service}."))


class Meter:
    """A meter of all AWS clients that this process creates after it. ``own_seconds`` is its own CPU time."""

    def __init__(self, on_scan: Callable[[], None] = lambda: None) -> None:
        """``on_scan`` is called after each scan of DynamoDB."""
        self._on_scan = on_scan
        self._lock = Lock()
        self.usage = Usage()
        self.own_seconds = 0.0
        boto3.setup_default_session()
        events = boto3._get_default_session().events  # noqa: SLF001 - boto3.client() uses it.
        events.register("before-parameter-build.dynamodb", self._before_request)
        events.register("after-call", self._after_response)

    def take(self) -> Usage:
        """Return the usage since the last call, and start anew."""
        with self._lock:
            usage, self.usage = self.usage, Usage()
            return usage

    def _before_request(self, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context["consistent"] = params.get("ConsistentRead", False)

    def _after_response(self, model: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401
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
            # ``Attributes`` is the item after the write. If the condition failed, ``Item`` is the unchanged one.
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
    """Return the size of an item as DynamoDB bills it.

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
            return 1  # BOOL and NULL. The table has no other types.
