"""The calls to the simulator: a bounded log of the last ones, and counters of all."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``status`` is None if the connection was dropped without an answer."""

    method: str
    path: str
    route: str
    status: int | None
    company_id: str | None
    at: datetime

    def as_json(self) -> dict[str, JsonValue]:
        return {
            "method": self.method,
            "path": self.path,
            "route": self.route,
            "status": self.status,
            "companyId": self.company_id,
            "at": self.at.isoformat(),
        }


class CallLog:
    """The last ``size`` calls, and the number of all calls by method, route and status.

    ``in_flight`` is the number of requests in flight, ``peak_in_flight`` the largest number so far.
    """

    def __init__(self, size: int) -> None:
        self._calls: deque[Call] = deque(maxlen=size)
        self.counts: Counter[tuple[str, str, int | None]] = Counter()
        self.in_flight = 0
        self.peak_in_flight = 0

    def begin(self) -> None:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def end(self, call: Call | None) -> None:
        """Record the end of a request. ``call`` is None if its client left or the server stopped before its end."""
        self.in_flight -= 1
        if call is not None:
            self._calls.append(call)
            self.counts[call.method, call.route, call.status] += 1

    def select(
        self, *, method: str | None = None, company_id: str | None = None, limit: int | None = None
    ) -> list[Call]:
        """Return the matching calls, oldest first; with a ``limit`` of 1 or more, only that many of the newest."""
        matching = [
            call
            for call in list(self._calls)
            if method in (None, call.method) and company_id in (None, call.company_id)
        ]
        return matching if limit is None else matching[-limit:]

    def total(self, *, method: str | None = None, route: str | None = None, status: int | None = None) -> int:
        """Count the calls with this method, route and status. None matches any."""
        return sum(
            count
            for (counted_method, counted_route, counted_status), count in list(self.counts.items())
            if method in (None, counted_method) and route in (None, counted_route) and status in (None, counted_status)
        )

    def clear(self) -> None:
        self._calls.clear()
        self.counts.clear()
        self.peak_in_flight = self.in_flight

    def counters(self) -> list[JsonValue]:
        return [
            {"method": method, "route": route, "status": status, "count": count}
            for (method, route, status), count in list(self.counts.items())
        ]
