"""One clock, and tasks of which one runs at any time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from local.simulation.virtual_time import Clock, CutOff, Process, VirtualLock, VirtualThreads, Wait

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock(START)
    yield clock
    clock.close()


def test_a_wait_of_a_day_moves_the_clock_by_a_day(clock: Clock) -> None:
    seen: list[datetime] = []

    def work() -> None:
        clock.sleep(86_400)
        seen.append(clock.moment())

    clock.spawn(work)
    clock.run()
    assert seen == [datetime(2026, 3, 3, 9, 0, tzinfo=UTC)]


def test_tasks_go_on_in_the_order_of_time(clock: Clock) -> None:
    seen: list[str] = []

    def waiting(name: str, seconds: float) -> None:
        clock.sleep(seconds)
        seen.append(name)

    for name, seconds in (("third", 3), ("first", 1), ("second", 2)):
        clock.spawn(partial(waiting, name, seconds))
    clock.run()
    assert seen == ["first", "second", "third"]


def test_the_clock_stops_where_it_is_told_to(clock: Clock) -> None:
    seen: list[str] = []

    def work() -> None:
        clock.sleep(10)
        seen.append("too late")

    clock.spawn(work)
    clock.run(until=START.timestamp() + 5)
    assert (seen, clock.now) == ([], START.timestamp() + 5)


def test_a_wait_can_be_ended_early(clock: Clock) -> None:
    waits, seen = list[Wait](), list[float]()

    def work() -> None:
        clock.wait(START.timestamp() + 100, waits.append)
        seen.append(clock.now - START.timestamp())
        clock.sleep(500)  # The end of the first wait, long over, does not end this one.
        seen.append(clock.now - START.timestamp())

    def ender() -> None:
        clock.sleep(1)
        clock.end(waits[0])

    clock.spawn(work)
    clock.spawn(ender)
    clock.run()
    assert seen == [1, 501]


def test_an_error_of_a_task_is_raised_to_whoever_runs_the_clock(clock: Clock) -> None:
    def work() -> None:
        clock.sleep(1)
        raise ValueError("wrong")

    clock.spawn(work)
    with pytest.raises(ValueError, match="wrong"):
        clock.run()


def test_a_process_is_cut_off_at_its_end_whatever_it_waits_for(clock: Clock) -> None:
    seen: list[float] = []

    def work() -> None:
        try:
            clock.within(Process(clock.now + 60), lambda: clock.sleep(3600))
        except CutOff:
            seen.append(clock.now - START.timestamp())

    clock.spawn(work)
    clock.run()
    assert seen == [60]


def test_the_threads_of_a_killed_process_end_with_it(clock: Clock) -> None:
    seen: list[object] = []

    def company(number: int) -> int:
        clock.sleep(number)
        if number == 1:
            clock.kill()
        clock.sleep(10)
        seen.append(number)
        return number

    def work() -> None:
        try:
            clock.within(Process(), lambda: list(VirtualThreads(clock, 3).map(company, [1, 2, 3])))
        except CutOff:
            seen.append("cut off")

    clock.spawn(work)
    clock.run()
    assert seen == ["cut off"]


def test_threads_work_side_by_side_and_answer_in_order(clock: Clock) -> None:
    seen: list[object] = []

    def company(seconds: int) -> int:
        clock.sleep(seconds)
        return seconds

    def work() -> None:
        with VirtualThreads(clock, 2) as threads:
            seen.extend(threads.map(company, [4, 1, 2]))
        seen.append(clock.now - START.timestamp())

    clock.spawn(work)
    clock.run()
    assert seen == [4, 1, 2, 4]  # 1 and 2, one after the other, beside 4.


def test_the_error_of_a_thread_is_raised_where_its_result_would_be(clock: Clock) -> None:
    seen: list[object] = []

    def company(number: int) -> int:
        clock.sleep(1)
        if number == 2:
            raise ValueError("wrong")
        return number

    def work() -> None:
        results = VirtualThreads(clock, 4).map(company, [1, 2, 3])
        seen.append(next(results))
        with pytest.raises(ValueError, match="wrong"):
            next(results)

    clock.spawn(work)
    clock.run()
    assert seen == [1]


def test_a_lock_lets_one_task_in_at_a_time(clock: Clock) -> None:
    lock, seen = VirtualLock(clock), list[float]()

    def work() -> None:
        with lock:
            clock.sleep(5)
            seen.append(clock.now - START.timestamp())

    for _ in range(3):
        clock.spawn(work)
    clock.run()
    assert seen == [5, 10, 15]


def test_a_lock_is_free_again_after_the_process_that_held_it_was_cut_off(clock: Clock) -> None:
    lock, seen = VirtualLock(clock), list[float]()

    def hold() -> None:
        with lock:
            clock.sleep(3600)

    def work() -> None:
        clock.sleep(1)
        with lock:
            seen.append(clock.now - START.timestamp())

    clock.spawn(lambda: clock.within(Process(clock.now + 60), hold))
    clock.spawn(work)
    clock.run()
    assert seen == [60]
