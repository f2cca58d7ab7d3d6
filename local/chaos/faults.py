"""The faults of a storm: Codat's, as the simulator's control API takes them, and Lambda's."""

from collections.abc import Sequence
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Final
from uuid import UUID

from codat_sync.codat.client import READ_SECONDS
from local.codat_simulator.control_client import Json

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

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


_DRIP_SECONDS: Final = 2.0
"""Between two bytes of an answer: no answer is whole within the time of a request."""


def dripping(companies: Sequence[UUID]) -> list[Json]:
    """Return faults by which Codat's answers about these companies drip, and never end in time."""
    forms = ("drip-body", "drip-headers", "drip-chunks")
    return [
        {"wire": form, "companyId": str(company), "dripSeconds": _DRIP_SECONDS}
        for company, form in zip(companies, cycle(forms), strict=False)
    ]


def too_many_requests(random: Random) -> Json:
    """Return a fault that answers every request with 429 and a short Retry-After."""
    return {"status": 429, "retryAfterSeconds": random.randint(1, 3)}


class Throttling:
    """Lambda starts no invocation of these functions, until it is taken back: their reserved concurrency is 0."""

    def __init__(self, lambda_: "LambdaClient", functions: Sequence[str]) -> None:
        self._lambda = lambda_
        self._functions = functions

    def begin(self) -> None:
        """Throttle every invocation from now on."""
        for each in self._functions:
            self._lambda.put_function_concurrency(FunctionName=each, ReservedConcurrentExecutions=0)

    def end(self) -> None:
        """Invoke as before."""
        for each in self._functions:
            self._lambda.delete_function_concurrency(FunctionName=each)
