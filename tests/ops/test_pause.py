"""The pause as a use case: it is lifted even where a function prolongs it in the same moment."""

from datetime import UTC, datetime, timedelta

from codat_sync.companies.pause import Pause
from ops.pause import in_force, lift

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


def paused(minutes: float) -> Pause:
    return Pause("account_expired", "Account expired.", NOW + timedelta(minutes=minutes))


class Contested:
    """A pause that a function prolongs between the first read and the first swap."""

    def __init__(self) -> None:
        self.standing: Pause | None = paused(1)
        self.prolonged = False

    def read(self) -> Pause | None:
        return self.standing

    def write(self, pause: Pause) -> None:
        self.standing = pause

    def swap(self, old: Pause, new: Pause | None) -> bool:
        if not self.prolonged:
            self.prolonged = True
            self.write(paused(60))
        if old != self.standing:
            return False
        self.standing = new
        return True


def test_one_that_is_prolonged_meanwhile_is_lifted_too() -> None:
    contested = Contested()
    assert lift(contested) == paused(60)
    assert contested.read() is None
    assert lift(contested) is None


def test_one_is_in_force_until_its_moment() -> None:
    contested = Contested()
    assert in_force(contested, NOW) == paused(1)
    assert in_force(contested, NOW + timedelta(minutes=1)) is None
    contested.standing = None
    assert in_force(contested, NOW) is None
