"""The functions' logs, collected from CloudWatch Logs into one file."""

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

# An invocation's lines may appear this much later than newer ones: its own are written when it ends.
_LATENESS_MS = 20_000

Line = dict[str, Any]
"""One structured line of a function's log."""


class NewEvents:
    """A reader of log groups that returns each event once.

    MiniStack writes a log stream for each invocation, all at once, when the invocation has ended. A stream that was
    read is therefore complete.
    """

    def __init__(self, logs: "CloudWatchLogsClient", groups: Sequence[str]) -> None:
        self._pages = logs.get_paginator("filter_log_events")
        self._newest_ms = dict.fromkeys(groups, 0)
        self._seen: set[str] = set()

    def read(self) -> Iterator[tuple[str, "FilteredLogEventTypeDef"]]:
        """Yield every event that was not read before, with the name of its log group."""
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
    """A file with every event of the log groups. May be used from any thread."""

    def __init__(self, logs: "CloudWatchLogsClient", groups: Sequence[str], file: Path) -> None:
        self._new_events = NewEvents(logs, groups)
        self._file = file
        self._lock = threading.Lock()

    def collect(self) -> None:
        """Append the events that are new since the last call."""
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            for _, event in self._new_events.read():
                file.write(event["message"].rstrip("\n") + "\n")

    def lines(self, message: str) -> list[Line]:
        """Return all structured lines with this message up to now, in each function's own order."""
        self.collect()
        with self._file.open(encoding="utf-8") as lines:
            return [json.loads(text[text.index("{") :]) for text in lines if f'"message":"{message}"' in text]


@contextlib.contextmanager
def following(
    logs: "CloudWatchLogsClient", groups: Sequence[str], file: Path, *, every_seconds: float = 1.0
) -> Iterator[FunctionLogs]:
    """Collect every `every_seconds` while the block runs, and once more at its end."""
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
