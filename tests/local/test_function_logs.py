"""Each line of the functions' logs is written to the file once, however often it is collected."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import EndpointConnectionError

from local.aws.function_logs import FunctionLogs, following

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


class Logs:
    """CloudWatch Logs as MiniStack has them: one stream an invocation, filled at once."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {"changed": [], "connected": []}
        self.asked = threading.Event()
        self.unreachable = False

    def invocation(self, group: str, stream: str, timestamp: int, *messages: str) -> None:
        self.events[group] += [
            {"logStreamName": stream, "timestamp": timestamp, "message": message} for message in messages
        ]

    def get_paginator(self, operation: str) -> "Logs":
        assert operation == "filter_log_events"
        return self

    def paginate(self, *, logGroupName: str, startTime: int) -> Iterator[dict[str, Any]]:  # noqa: N803 - AWS's names.
        if self.unreachable:
            raise EndpointConnectionError(endpoint_url="https://127.0.0.1:1")
        for event in list(self.events[logGroupName]):
            if event["timestamp"] >= startTime:
                yield {"events": [event]}
        self.asked.set()

    @property
    def client(self) -> "CloudWatchLogsClient":
        return cast("CloudWatchLogsClient", self)


def test_a_line_is_written_once(tmp_path: Path) -> None:
    logs, file = Logs(), tmp_path / "functions.log"
    function_logs = FunctionLogs(logs.client, ["changed", "connected"], file)
    logs.invocation("changed", "a", 1_000, "START", '{"outcome": "applied"}\n')
    function_logs.collect()
    logs.invocation("changed", "b", 1_500, "second")
    logs.invocation("connected", "c", 900, "third")

    function_logs.collect()
    function_logs.collect()

    assert file.read_text(encoding="utf-8").splitlines() == ["START", '{"outcome": "applied"}', "second", "third"]


def test_an_invocation_that_appears_late_is_not_missed(tmp_path: Path) -> None:
    logs, file = Logs(), tmp_path / "functions.log"
    function_logs = FunctionLogs(logs.client, ["changed"], file)
    logs.invocation("changed", "a", 10_000, "first")
    function_logs.collect()

    logs.invocation("changed", "b", 9_000, "late")
    function_logs.collect()

    assert file.read_text(encoding="utf-8").splitlines() == ["first", "late"]


def test_following_ends_with_all_that_was_logged(tmp_path: Path) -> None:
    logs, file = Logs(), tmp_path / "functions.log"
    file.write_text("of an earlier run\n", encoding="utf-8")

    with following(logs.client, ["changed"], file, every_seconds=0.01):
        assert logs.asked.wait(timeout=10)
        logs.invocation("changed", "a", 1_000, "last")

    assert file.read_text(encoding="utf-8").splitlines() == ["last"]


def test_the_file_names_the_error_that_ended_the_logs(tmp_path: Path) -> None:
    logs, file = Logs(), tmp_path / "functions.log"
    logs.unreachable = True

    with following(logs.client, ["changed"], file, every_seconds=1_000):
        pass

    assert file.read_text(encoding="utf-8").startswith("No more logs: Could not connect")


def test_lines_with_a_message_are_told_from_all_others(tmp_path: Path) -> None:
    logs = Logs()
    function_logs = FunctionLogs(logs.client, ["changed"], tmp_path / "functions.log")
    (tmp_path / "functions.log").touch()
    logs.invocation(
        "changed",
        "a",
        1_000,
        "START RequestId: 1",
        '{"message":"event_settled","outcome":"applied"}',
        '{"message":"pause_began","words":"event_settled"}',
        '[INFO] {"message":"event_settled","outcome":"stale"}',
    )

    assert [line["outcome"] for line in function_logs.lines("event_settled")] == ["applied", "stale"]
