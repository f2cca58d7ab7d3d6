"""The functions run on the clock, and leave nothing of it behind."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom

import boto3
import pytest
from urllib3.connectionpool import HTTPConnectionPool

from local.simulation.codat import Answer, Request, Rule
from local.simulation.run import run
from local.simulation.scenario import Scenario
from local.simulation.script import refusal, until


def names_of_time() -> dict[str, object]:
    """Return each name in the layer's modules that stands for time, threads, locks or chance."""
    meant = (threading.Lock, ThreadPoolExecutor, time.sleep, time.monotonic, SystemRandom)
    return {
        f"{name}.{attribute}": value
        for name, module in sys.modules.items()
        if name.startswith("codat_sync")
        for attribute, value in vars(module).items()
        if any(value is each for each in meant)
    }


def test_nothing_stays_replaced_after_a_run() -> None:
    before = (names_of_time(), boto3.client, HTTPConnectionPool._new_conn, sys.stdout, dict(os.environ))
    run(Scenario("one", lambda _: [], events=1))
    assert (names_of_time(), boto3.client, HTTPConnectionPool._new_conn, sys.stdout, dict(os.environ)) == before
    assert "codat_sync.companies.pause.Lock" in before[0]
    assert "codat_sync.consuming.consume.ThreadPoolExecutor" in before[0]


def test_no_task_is_left_after_a_run() -> None:
    before = threading.active_count()
    run(Scenario("ten", lambda _: [], events=10))
    assert threading.active_count() == before


def test_quick_retries_wait_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def real_sleep(_: float) -> None:
        raise AssertionError("a function waits in real time")

    monkeypatch.setattr(time, "sleep", real_sleep)
    result = run(Scenario("short", lambda start: [until(start + 1.7, refusal(503))], events=1))
    assert (result.calls[503], result.counts.receives) == (2, 1)  # The third try, 0.4 s later, is answered.
    assert result.problems == []


def test_an_error_that_a_function_logs_is_a_problem() -> None:
    def unplanned(start: float) -> list[Rule]:
        def rule(request: Request) -> Answer | None:
            if request.at < start + 60:
                raise RuntimeError("nobody planned for this")
            return None

        return [rule]

    (problem,) = run(Scenario("unplanned", unplanned, events=1)).problems
    assert "errors logged" in problem
    assert "nobody planned for this" in problem
