"""SQS's rules, as far as the functions depend on them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from local.simulation.sqs import LONGEST_INVISIBILITY, Queue, SqsClient
from local.simulation.virtual_time import Clock

HOUR = 3600


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


@pytest.fixture
def dead_letters(clock: Clock) -> Queue:
    return Queue("dead", clock)


@pytest.fixture
def queue(clock: Clock, dead_letters: Queue) -> Queue:
    return Queue(
        "source", clock, visibility_timeout=360, retention=10 * HOUR, max_receives=3, dead_letters=dead_letters
    )


def test_a_message_in_flight_is_not_handed_out_before_its_visibility_timeout(clock: Clock, queue: Queue) -> None:
    queue.send("body", {})
    (first,) = queue.receive(10)
    assert (first.body, first.receives) == ("body", 1)
    clock.run(clock.now + 359)
    assert queue.receive(10) == []
    clock.run(clock.now + 1)
    (again,) = queue.receive(10)
    assert (again.message_id, again.receives) == (first.message_id, 2)


def test_a_batch_has_as_many_messages_as_asked_for_and_the_oldest_first(queue: Queue) -> None:
    for number in range(12):
        queue.send(str(number), {})
    assert [each.body for each in queue.receive(10)] == [str(number) for number in range(10)]
    assert [each.body for each in queue.receive(10)] == ["10", "11"]


def test_a_deleted_message_does_not_come_back(clock: Clock, queue: Queue) -> None:
    queue.send("body", {})
    queue.delete(queue.receive(1)[0].receipt)
    clock.run(clock.now + HOUR)
    assert (queue.receive(1), queue.messages()) == ([], [])


def test_an_old_receipt_deletes_nothing(clock: Clock, queue: Queue) -> None:
    queue.send("body", {})
    old = queue.receive(1)[0].receipt
    clock.run(clock.now + 360)
    queue.receive(1)
    queue.delete(old)
    assert not queue.hide(old, 10)
    assert len(queue.messages()) == 1


def test_a_hidden_message_is_seen_at_the_moment_that_was_asked_for(clock: Clock, queue: Queue) -> None:
    queue.send("body", {})
    assert queue.hide(queue.receive(1)[0].receipt, 20)
    clock.run(clock.now + 19)
    assert queue.receive(1) == []
    clock.run(clock.now + 1)
    assert len(queue.receive(1)) == 1


def test_a_message_that_is_visible_again_can_no_longer_be_hidden(clock: Clock, queue: Queue) -> None:
    queue.send("body", {})
    receipt = queue.receive(1)[0].receipt
    clock.run(clock.now + 360)
    assert not queue.hide(receipt, 20)


@pytest.mark.parametrize(("since_receipt", "accepted"), [(0, True), (1, False)])
def test_twelve_hours_count_from_the_receipt(clock: Clock, queue: Queue, since_receipt: int, *, accepted: bool) -> None:
    queue.send("body", {})
    receipt = queue.receive(1)[0].receipt
    clock.run(clock.now + since_receipt)
    assert queue.hide(receipt, LONGEST_INVISIBILITY) is accepted


def test_a_message_that_was_received_too_often_goes_to_the_dlq(clock: Clock, queue: Queue, dead_letters: Queue) -> None:
    queue.send("body", {})
    for _ in range(3):
        assert len(queue.receive(1)) == 1
        clock.run(clock.now + 360)
    assert queue.receive(1) == []
    assert ([each.body for each in dead_letters.messages()], queue.messages()) == (["body"], [])


def test_a_message_that_is_older_than_the_retention_is_gone_for_good(
    clock: Clock, queue: Queue, dead_letters: Queue
) -> None:
    queue.send("body", {})
    clock.run(clock.now + 10 * HOUR + 1)
    assert (queue.receive(1), queue.messages(), dead_letters.messages()) == ([], [], [])


@pytest.mark.parametrize("show", [lambda queue, _: queue.send("new", {}), lambda queue, held: queue.hide(held, 5)])
def test_a_waiting_poller_sees_a_message_as_soon_as_it_is_visible(
    clock: Clock, queue: Queue, show: Callable[[Queue, str], object]
) -> None:
    queue.send("held", {})
    held = queue.receive(1)[0].receipt
    seen: list[float] = []
    began = clock.now

    def poll() -> None:
        while not queue.receive(1):
            queue.await_message()
        seen.append(clock.now - began)

    def act() -> None:
        clock.sleep(2)
        show(queue, held)

    clock.spawn(poll)
    clock.spawn(act)
    clock.run(clock.now + 100)
    clock.close()
    assert len(seen) == 1
    assert seen[0] < 10


def test_the_client_says_which_waits_sqs_refused(clock: Clock, queue: Queue) -> None:
    queue.send("one", {})
    queue.send("two", {})
    first, second = (each.receipt for each in queue.receive(2))
    client = SqsClient(clock, {"source": queue})
    entries = [
        {"Id": "0", "ReceiptHandle": first, "VisibilityTimeout": 10},
        {"Id": "1", "ReceiptHandle": second, "VisibilityTimeout": LONGEST_INVISIBILITY + 1},
    ]
    answers: list[dict[str, Any]] = []
    clock.spawn(lambda: answers.append(client.change_message_visibility_batch(QueueUrl="source", Entries=entries)))
    clock.run(clock.now + 1)
    clock.close()
    (answer,) = answers
    assert [each["Id"] for each in answer["Failed"]] == ["1"]
    assert queue.refused_waits == 1
