"""What the functions log: from CloudWatch Logs into one file, to read or to follow."""

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

# How far behind the newest line an invocation's lines may still turn up.
_LATENESS_MS = 2_000

Line = dict[str, Any]
"""What a function said in one line of its log."""


class NewEvents:
    """What the log groups hold that was not there yet.

    MiniStack gives each invocation a log stream of its own and fills it at once, when the invocation has ended.
    So a stream that was seen is complete.
    """

    def __init__(self, logs: "CloudWatchLogsClient", groups: Sequence[str]) -> None:
        self._pages = logs.get_paginator("filter_log_events")
        self._newest_ms = dict.fromkeys(groups, 0)
        self._seen: set[str] = set()

    def read(self) -> Iterator[tuple[str, "FilteredLogEventTypeDef"]]:
        """Each with its group."""
        for group, newest_ms in self._newest_ms.items():
            streams: set[str] = set()
            since = max(0, newest_ms - _LATENESS_MS)
            for page in self._pages.paginate(logGroupName=group, startTime=since):
                for event in page["events"]:
                    if event["logStreamName"] not in self._seen:
                        streams.add(event["logStreamName"])
                        self._newest_ms[group] = max(self._newest_ms[group], event["timestamp"])
                        yield group, event
            self._seen |= streams


class FunctionLogs:
    """Appends to `file` what the log groups hold that was not there yet; may be called from any thread."""

    def __init__(self, logs: "CloudWatchLogsClient", groups: Sequence[str], file: Path) -> None:
        self._new_events = NewEvents(logs, groups)
        self._file = file
        self._lock = threading.Lock()

    def collect(self) -> None:
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            for _, event in self._new_events.read():
                file.write(event["message"].rstrip("\n") + "\n")

    def said(self, message: str) -> list[Line]:
        """All that the functions have said under this message until now; of each function, the oldest first."""
        self.collect()
        with self._file.open(encoding="utf-8") as lines:
            return [json.loads(text[text.index("{") :]) for text in lines if f'"message":"{message}"' in text]


@contextlib.contextmanager
def following(
    logs: "CloudWatchLogsClient", groups: Sequence[str], file: Path, *, every_seconds: float = 1.0
) -> Iterator[FunctionLogs]:
    """Keep `file` up to date while the block runs, and bring it up to date once more at its end."""
    file.write_text("", encoding="utf-8")
    function_logs = FunctionLogs(logs, groups, file)
    ended = threading.Event()

    def follow() -> None:
        try:
            while not ended.wait(every_seconds):
                function_logs.collect()
            function_logs.collect()
        except (BotoCoreError, ClientError) as error:
            with file.open("a", encoding="utf-8") as output:
                output.write(f"No more logs: {error}\n")

    thread = threading.Thread(target=follow, name="function-logs", daemon=True)
    thread.start()
    try:
        yield function_logs
    finally:
        ended.set()
        thread.join()
