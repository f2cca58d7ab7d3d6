"""The commands of ``pause``: until when, why, and how to lift it."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_sync.companies.pause import Pause
from tests.ops.on_call import OnCall


def paused(minutes: float = 60) -> Pause:
    return Pause("account_expired", "Account [expired].", datetime.now(UTC) + timedelta(minutes=minutes))


def test_none_is_fine(on_call: OnCall) -> None:
    result = on_call("pause", "show")
    assert (result.exit_code, result.stdout) == (0, "Pause: none in force\n")
    assert on_call.json("pause", "show") == {"pause": None}


def test_it_shows_until_when_and_why(on_call: OnCall) -> None:
    standing = paused()
    on_call.stack.pause.write(standing)
    result = on_call("pause", "show")
    assert result.exit_code == 1
    assert result.stdout == f"Pause: until {standing.until:%Y-%m-%d %H:%M UTC}: account_expired: Account [expired].\n"
    assert on_call.json("pause", "show")["pause"]["words"] == "Account [expired]."


def test_one_whose_time_is_over_is_not_in_force(on_call: OnCall) -> None:
    on_call.stack.pause.write(paused(-1))
    assert on_call("pause", "show").exit_code == 0


def test_without_apply_it_is_shown_and_stays(on_call: OnCall) -> None:
    on_call.stack.pause.write(paused())
    result = on_call("pause", "lift")
    assert result.exit_code == 1
    assert "account_expired" in result.stdout
    assert result.stdout.endswith("Nothing was changed. --apply does it.\n")
    assert on_call.stack.pause.read() is not None
    assert on_call.json("pause", "lift")["would_lift"]["reason"] == "account_expired"


def test_there_may_be_none_to_lift(on_call: OnCall) -> None:
    result = on_call("pause", "lift")
    assert (result.exit_code, result.stdout) == (0, "There is no pause to lift.\n")


def test_it_can_be_lifted_and_lifting_it_twice_does_no_harm(on_call: OnCall) -> None:
    on_call.stack.pause.write(paused())
    result = on_call("pause", "lift", "--apply")
    assert result.exit_code == 0
    assert result.stdout.startswith("Lifted: until ")
    assert on_call.stack.pause.read() is None
    assert on_call.json("pause", "lift", "--apply") == {"lifted": None}
    assert on_call("pause", "lift", "--apply").stdout == "There is no pause to lift.\n"


@pytest.mark.parametrize("command", ["show", "lift"])
def test_a_stack_that_is_not_there(on_call: OnCall, command: str) -> None:
    assert on_call("pause", command, "--stack", "absent").exit_code == 3
