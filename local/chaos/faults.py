"""The faults of Codat during a storm, as the simulator's control API takes them."""

from collections.abc import Sequence
from random import Random
from typing import Final

from codat_sync.codat.client import READ_SECONDS
from local.codat_simulator.control_client import Json

# A little longer than the client waits. A write that takes effect so late does so before the shortest deferral of its
# event is over, and the redelivery sees it.
_BEYOND_TIMEOUT: Final = READ_SECONDS + 0.5

STEADY: Final[Sequence[Json]] = (
    {"status": 500, "probability": 0.02},
    {"status": 502, "body": "html", "probability": 0.015},
    {"status": 503, "body": "empty", "probability": 0.015},
    {"holdSeconds": _BEYOND_TIMEOUT, "moment": "before", "probability": 0.015},
    {"holdSeconds": _BEYOND_TIMEOUT, "moment": "after", "probability": 0.015},
    {"drop": True, "moment": "before", "probability": 0.01},
    {"drop": True, "moment": "after", "probability": 0.01},
)
"""In force from the first event to the last: 5 % server errors, 3 % timeouts, 2 % dropped connections. Half of the
timeouts and drops come after the request took effect."""


def too_many_requests(random: Random) -> Json:
    """Return a fault that answers every request with 429 and a short Retry-After."""
    return {"status": 429, "retryAfterSeconds": random.randint(1, 3)}
