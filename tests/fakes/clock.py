"""The moment at which the tests play, and a clock that a test moves."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that starts at ``NOW`` and stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by
