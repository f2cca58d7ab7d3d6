"""A batch, and each invocation of a duty, uses the presets that are live when it begins."""

from datetime import timedelta
from typing import Any

from codat_sync.consuming.live_presets import LiveConsumer, LiveDuty
from codat_sync.deadline import Deadline, Invocation
from codat_sync.presets.file import Presets
from local.presets import local_presets
from tests.fakes.lambda_ import FakeContext, sqs_event

SOME = local_presets()
OTHERS = Presets.parse(b'default_plan = "free"\non_cancelled = "free"\n[plans.free]\nfrequency = "monthly"\n')


def test_a_batch_ends_with_the_presets_that_it_began_with() -> None:
    others = iter([SOME, OTHERS])
    used: list[Presets] = []

    class Recording:
        def __init__(self, presets: Presets) -> None:
            self._presets = presets

        def consume(self, event: dict[str, Any], _context: Invocation) -> Any:  # noqa: ANN401  # PartialItemFailureResponse.
            used.extend(self._presets for _ in event["Records"])
            return {"batchItemFailures": []}

    consumer = LiveConsumer(lambda: next(others), Recording)
    for _ in range(2):
        assert consumer.consume(sqs_event("one", "two"), FakeContext()) == {"batchItemFailures": []}
    assert used == [SOME, SOME, OTHERS, OTHERS]


def test_each_invocation_of_a_duty_uses_the_presets_of_its_time() -> None:
    others = iter([SOME, OTHERS])
    used: list[tuple[Presets, str]] = []

    class Recording:
        def __init__(self, presets: Presets) -> None:
            self._presets = presets

        def carry_out(self, request: str, deadline: Deadline) -> timedelta | None:
            used.append((self._presets, request))
            return timedelta(seconds=deadline.seconds_left)

    duty = LiveDuty(lambda: next(others), Recording)
    assert [duty.carry_out("all", Deadline(lambda: 7.0)) for _ in range(2)] == [timedelta(seconds=7)] * 2
    assert used == [(SOME, "all"), (OTHERS, "all")]
