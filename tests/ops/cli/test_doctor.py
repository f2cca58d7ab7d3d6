"""The command ``doctor``: the screen, its exit codes, and the one thing that it can change."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ops.cli import doctor
from ops.doctor.examine import Line
from ops.doctor.finding import Finding, Light
from ops.doctor.subject import Subject
from tests.ops.on_call import COMPANY, OnCall

FINE = Line("bus", Light.GREEN, "5 rules enabled", None)
NOTE = Line("last event", Light.YELLOW, "no live event yet", "send one")
WRONG = Line("mappings", Light.RED, "disabled for plan-changed", "enable it")
NO_ANSWER = Line("alarm topic", Light.UNANSWERED, "the alarms have no topic", None)


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """Return the lines that the examination gives."""
    lines: list[Line] = []
    monkeypatch.setattr(doctor, "reach", lambda _: [])
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: list(lines))
    return lines


@pytest.mark.parametrize(
    ("lines", "exit_code"), [([FINE], 0), ([FINE, NOTE, NO_ANSWER], 0), ([FINE, WRONG], 1), ([], 0)]
)
def test_a_red_line_alone_is_exit_code_1(
    on_call: OnCall, finds: list[Line], lines: Sequence[Line], exit_code: int
) -> None:
    finds += lines
    assert on_call("doctor").exit_code == exit_code


def test_each_line_says_what_is_so_and_what_to_do(on_call: OnCall, finds: list[Line]) -> None:
    finds += [FINE, NOTE, WRONG, NO_ANSWER]
    shown = [line.split(maxsplit=1) for line in on_call("doctor").stdout.splitlines()]
    assert [mark for mark, _ in shown] == ["ok", "note", ">", "WRONG", ">", "-"]
    assert shown[2][1].rstrip() == "send one"
    assert [line["light"] for line in on_call.json("doctor")] == ["green", "yellow", "red", "unanswered"]


def test_a_stack_that_is_not_there_is_exit_code_3_unless_something_is_wrong(on_call: OnCall, finds: list[Line]) -> None:
    finds.append(FINE)
    assert on_call("doctor", "--stack", "absent").exit_code == 3
    finds.append(WRONG)
    assert on_call("doctor", "--stack", "absent").exit_code == 1


def test_aws_that_cannot_be_reached_is_exit_code_3_and_nothing_more_is_looked_for(
    on_call: OnCall, finds: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "reach", lambda _: [Line("region", Light.RED, "no region is set", "set it")])
    monkeypatch.setattr("ops.stack.Stack.find", lambda _: pytest.fail("AWS cannot be reached"))
    finds.append(FINE)
    result = on_call("doctor")
    assert result.exit_code == 3
    assert "no region is set" in result.stdout
    assert FINE.words not in result.stdout


def test_a_stack_that_one_may_not_look_at_is_an_error(
    on_call: OnCall, finds: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeStacks")

    monkeypatch.setattr("ops.stack.Stack.find", find)
    finds.append(FINE)
    assert on_call("doctor").exit_code == 3


@pytest.mark.parametrize(
    "options", [["--send"], ["--company", str(COMPANY)], ["--plan", "growth"]], ids=["send", "company", "plan"]
)
def test_an_event_is_sent_with_a_company_alone(on_call: OnCall, options: list[str]) -> None:
    assert on_call("doctor", *options).exit_code == 2
    assert on_call.events() == []


@pytest.mark.usefixtures("finds")
@pytest.mark.parametrize(("light", "exit_code"), [(Light.GREEN, 0), (Light.RED, 1)])
def test_what_became_of_the_event_is_the_last_line(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch, light: Light, exit_code: int
) -> None:
    monkeypatch.setattr(doctor, "plan_of", lambda _, company, plan: f"{plan} of {company}")
    monkeypatch.setattr(doctor, "send_trial", lambda *arguments, **_: Finding(light, arguments[2]))
    result = on_call("doctor", "--send", "--company", COMPANY, "--plan", "growth")
    assert (result.exit_code, result.stdout.split(maxsplit=3)[3].strip()) == (exit_code, f"growth of {COMPANY}")


def test_without_send_nothing_is_sent(on_call: OnCall, finds: list[Line]) -> None:
    finds.append(FINE)
    on_call("doctor")
    assert on_call.events() == []


def test_presets_of_another_file_are_compared(
    on_call: OnCall, finds: list[Line], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Path] = []

    def examine(subject: Subject, **_: object) -> list[Line]:
        seen.append(subject.presets)
        return finds

    monkeypatch.setattr(doctor, "examine", examine)
    file = tmp_path / "presets.toml"
    file.touch()
    on_call("doctor", "--presets", file)
    assert seen == [file]
