"""A probe that takes longer than its lease decides for nobody any more: another one may have probed meanwhile."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import CodatError, NotFound, RateLimited, ServerError
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.pause import PROBE, Pause, PausingCodat
from tests.fakes.clock import Clock
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePause

HOUR = timedelta(hours=1)


class SlowProbe(FakeCodat):
    """Codat, whose first answer after a pause takes longer than the probe's lease.

    ``result`` is what another probe has found when the lease ended, ``error`` the late answer.
    """

    def __init__(self, result: Pause | None, error: CodatError | None) -> None:
        super().__init__()
        self.clock = Clock()
        self.record = FakePause(Pause("rate_limited", "quota used up", self.clock.now))
        self.result, self.error = result, error

    def get_account_sync_settings(self) -> SyncSettings:
        self.clock.forward(PROBE)
        self.record.pause = self.result
        if self.error is not None:
            raise self.error
        return super().get_account_sync_settings()

    def call(self) -> None:
        PausingCodat(self, self.record, self.clock).get_account_sync_settings()


def another_pause(length: timedelta) -> Pause:
    return Pause("rate_limited", "found by another", Clock().now + PROBE + length)


def test_its_success_does_not_lift_the_pause_that_another_has_begun() -> None:
    probe = SlowProbe(another_pause(HOUR), None)
    probe.call()
    assert probe.record.pause == another_pause(HOUR)


@pytest.mark.parametrize("error", [ServerError("down"), NotFound("no", status=404)])
def test_its_failure_does_not_change_the_pause_that_another_has_begun(error: CodatError) -> None:
    probe = SlowProbe(another_pause(HOUR), error)
    with pytest.raises(type(error)):
        probe.call()
    assert probe.record.pause == another_pause(HOUR)


@pytest.mark.parametrize("error", [ServerError("down"), NotFound("no", status=404)])
def test_its_failure_begins_no_pause_where_another_has_lifted_it(error: CodatError) -> None:
    probe = SlowProbe(None, error)
    with pytest.raises(type(error)):
        probe.call()
    assert probe.record.pause is None


@pytest.mark.parametrize("length", [timedelta(minutes=10), 3 * HOUR, None])
def test_the_pause_that_it_meets_counts_unless_that_of_another_ends_later(length: timedelta | None) -> None:
    another = None if length is None else another_pause(length)
    probe = SlowProbe(another, RateLimited("not yet", retry_after=HOUR))
    with pytest.raises(RateLimited):
        probe.call()
    ours = Pause("rate_limited", "not yet", probe.clock.now + HOUR)
    assert probe.record.pause == (another if another is not None and another.until > ours.until else ours)
