"""Deployments: an old version never brings a company back to presets that a newer one has replaced."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from codat_sync.codat.models import Frequency
from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, ConsumerSettings
from codat_sync.consuming.settle import Settlement
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.queue import (
    LONGEST_DEPLOYMENT,
    CompanyRequest,
    OtherPresets,
    ReadCompanyRequest,
    fingerprint,
)
from codat_sync.reconciliation.reconcile import ANOTHER_AT_WORK
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue
from tests.unit.reconciliation.bench import PRESETS, WEEKLY_GROWTH, Bench, company

OLD, NEW = Presets.parse(PRESETS.encode()), Presets.parse(WEEKLY_GROWTH.encode())
DATA_TYPES = 'additional_data_types = ["one", "two", "three", "four", "five", "six"]\n'


def consume(bench: Bench, presets: Presets, *, at: datetime) -> list[str]:
    """Let a function with these presets consume all companies that were handed over; return those deferred."""
    consumer = Consumer(
        ReadCompanyRequest(presets),
        Convergence(bench.codat, bench.records, presets, lambda: at),
        Settlement(FakeDeadLetters(), PATIENCE, lambda: at),
        FakeQueue(),
        ConsumerSettings(PATIENCE, max_concurrent_companies=1),
        now=lambda: at,
        random=Random(1),  # noqa: S311  # Jitter that a test can repeat.
    )
    event = sqs_event(*(each.body() for each in bench.queue.requests))
    return [str(each["itemIdentifier"]) for each in consumer.consume(event, FakeContext())["batchItemFailures"]]


def frequencies(bench: Bench) -> set[Frequency]:
    return {bench.codat.frequency(each, "invoices") for each in bench.records.items}


@pytest.mark.parametrize("old_first", [True, False])
def test_while_a_deployment_is_in_progress_all_companies_end_at_the_new_presets(
    bench: Bench, *, old_first: bool
) -> None:
    bench.at_plan(1, 2, 3)
    bench.deploy(WEEKLY_GROWTH)
    bench.night()
    assert bench.handed_over == [1, 2, 3]
    if not old_first:
        assert consume(bench, NEW, at=bench.now) == []
    assert consume(bench, OLD, at=bench.now + timedelta(minutes=1)) == ["m0", "m1", "m2"]
    if old_first:
        assert consume(bench, NEW, at=bench.now + timedelta(minutes=2)) == []
    assert frequencies(bench) == {Frequency.WEEKLY}


def test_a_company_that_an_old_run_handed_over_stays_at_the_new_preset(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.deploy(WEEKLY_GROWTH)
    bench.converge(1)
    bench.queue.send([CompanyRequest("night-1/x", company(1), bench.now, presets=fingerprint(OLD))])
    assert consume(bench, NEW, at=bench.now) == ["m0"], "a function cannot tell which presets are the newer ones"
    assert consume(bench, NEW, at=bench.now + LONGEST_DEPLOYMENT) == []
    assert bench.codat.frequency(company(1), "invoices") is Frequency.WEEKLY


def test_a_run_with_other_presets_is_begun_anew_and_the_old_one_cannot_go_on(bench: Bench) -> None:
    bench.at_plan(*range(6))
    bench.rate_limit = replace(bench.rate_limit, limit=1000, remaining=400)
    assert bench.night() is not None, "it was cut off after its first page"
    run = bench.run
    bench.rate_limit = replace(bench.rate_limit, limit=None)
    bench.deploy(WEEKLY_GROWTH)
    bench.now += timedelta(minutes=1)
    assert bench.go_on() is None
    assert bench.asked == list(range(6))
    assert bench.handed_over == list(range(6))
    assert (bench.run.run_id, bench.run.presets, run.presets) == ("night-1", fingerprint(NEW), fingerprint(OLD))
    assert bench.runs.advance(run, run) is None


def test_an_old_invocation_stands_back_once_the_new_version_has_begun_the_run_anew(bench: Bench) -> None:
    bench.at_plan(*range(6))

    def the_new_version_begins() -> None:
        bench.codat.meanwhile = lambda _: None
        bench.deploy(WEEKLY_GROWTH)
        bench.now += timedelta(minutes=1)
        bench.rate_limit = replace(bench.rate_limit, limit=1000, remaining=400)
        assert bench.go_on() is not None

    bench.codat.meanwhile = lambda _: the_new_version_begins()
    assert bench.night() == ANOTHER_AT_WORK
    assert bench.run.presets == fingerprint(NEW)


def test_a_finished_run_with_other_presets_satisfies_no_request(bench: Bench) -> None:
    bench.at_plan(1)
    assert bench.night() is None
    bench.deploy(WEEKLY_GROWTH)
    assert bench.go_on() is None
    assert bench.handed_over == [1]


def test_a_run_of_version_0_1_0_is_begun_anew(bench: Bench) -> None:
    bench.at_plan(*range(6))
    bench.rate_limit = replace(bench.rate_limit, limit=1000, remaining=400)
    bench.night()
    bench.rate_limit = replace(bench.rate_limit, limit=None)
    bench.runs.run = replace(bench.run, presets=None)
    assert bench.go_on() is None
    assert bench.asked == list(range(6))


@pytest.mark.parametrize("presets", [None, fingerprint(OLD)])
def test_a_request_without_presets_or_with_the_same_is_read_at_once(presets: str | None) -> None:
    body = CompanyRequest("night-1/x", COMPANY, NOW, presets=presets).body()
    assert ReadCompanyRequest(OLD)(body, now=NOW).company_id == COMPANY


def test_a_request_with_other_presets_is_left_until_no_deployment_can_be_in_progress() -> None:
    body = CompanyRequest("night-1/x", COMPANY, NOW, presets=fingerprint(NEW)).body()
    with pytest.raises(OtherPresets, match=fingerprint(NEW)):
        ReadCompanyRequest(OLD)(body, now=NOW + LONGEST_DEPLOYMENT - timedelta(seconds=1))
    assert ReadCompanyRequest(OLD)(body, now=NOW + LONGEST_DEPLOYMENT).company_id == COMPANY


def test_other_presets_have_another_fingerprint() -> None:
    others = [
        PRESETS,
        WEEKLY_GROWTH,
        DATA_TYPES + PRESETS,
        PRESETS.replace("hour_of_day = 3", 'hour_of_day = "spread"'),
    ]
    assert len({fingerprint(Presets.parse(each.encode())) for each in others}) == len(others)


def test_the_same_presets_have_the_same_fingerprint_in_every_process() -> None:
    program = (
        "from codat_sync.presets.file import Presets; from codat_sync.reconciliation.queue import fingerprint; "
        f"print(fingerprint(Presets.parse({(DATA_TYPES + PRESETS).encode()!r})))"
    )
    printed = {
        subprocess.run(  # noqa: S603  # The program is this test's own.
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "shared", "POWERTOOLS_METRICS_NAMESPACE": "test"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
