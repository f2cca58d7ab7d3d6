"""The command ``send``: every event is valid, or none is sent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from codat_sync.announcements import SOURCE
from local.presets import FILE
from ops.cli.main import app
from tests.ops.on_call import COMPANY, OnCall

EVENTS = Path(__file__).parents[3] / "events"
SAMPLES = sorted(EVENTS.glob("*.json"))


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """Write a file with a valid event."""
    return write(tmp_path)


def write(folder: Path, more: dict[str, Any] | None = None, name: str = "event.json") -> Path:
    sample = json.loads((EVENTS / "company_upgraded_plan.json").read_text("utf-8"))
    kept = {field: value for field, value in (sample | (more or {})).items() if value is not None}
    file = folder / name
    file.write_text(json.dumps(kept), "utf-8")
    return file


def test_every_sample_is_valid_and_arrives(on_call: OnCall) -> None:
    sent = on_call.json("send", "--apply", *SAMPLES)
    assert on_call.results[-1].exit_code == 0
    assert [each["detail_type"] for each in sent] == [
        json.loads(each.read_text("utf-8"))["detail-type"] for each in SAMPLES
    ]
    assert len({each["event_id"] for each in sent}) == len(SAMPLES) > 10


def test_an_event_arrives_as_it_stands_in_the_file(on_call: OnCall, event: Path) -> None:
    (sent,) = on_call.json("send", "--apply", event)
    (arrived,) = on_call.events()
    sample = json.loads(event.read_text("utf-8"))
    assert [arrived[field] for field in ("source", "detail-type", "detail")] == [
        sample[field] for field in ("source", "detail-type", "detail")
    ]
    assert arrived["id"] == sent["event_id"] != sample["id"]
    assert sent["company_id"] == str(COMPANY)


def test_the_event_id_is_shown(on_call: OnCall, event: Path) -> None:
    result = on_call("send", "--apply", event)
    assert result.exit_code == 0
    assert on_call.events()[0]["id"] in result.stdout.replace("\n", "")


def test_a_request_needs_no_time(on_call: OnCall, tmp_path: Path) -> None:
    file = write(tmp_path, {"detail-type": "Reconciliation Requested", "detail": {}, "time": None})
    result = on_call("send", "--apply", file)
    assert result.exit_code == 0
    assert "—" in result.stdout


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"detail": {"companyId": "Kew Cafe", "plan": "growth"}}, "detail.companyId: Input should be a valid UUID"),
        ({"detail": {"companyId": str(COMPANY)}}, "detail.plan: Field required"),
        ({"detail-type": "Company Left"}, "detail-type: 'Company Left' is not one of Company Upgraded Plan, "),
        ({"detail-type": None}, "detail-type: None is not one of"),
        ({"detail-type": ["Company Upgraded Plan"]}, "is not one of"),
        ({"time": "yesterday"}, "time: Value error"),
        ({"id": None}, "id: Field required"),
        ({"source": None}, "source: None matches no rule of the stack"),
        ({"source": SOURCE}, "source: 'codat-sync' matches no rule of the stack"),
    ],
)
def test_an_invalid_event_is_named_and_nothing_is_sent(
    on_call: OnCall, tmp_path: Path, event: Path, more: dict[str, Any], problem: str
) -> None:
    bad = write(tmp_path, more, "bad.json")
    result = on_call("send", "--apply", event, bad)
    assert result.exit_code == 2
    assert f"{bad}: " in result.stderr
    assert problem in result.stderr
    assert on_call.events() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff", b"NaN"])
def test_a_file_that_is_not_a_json_object_is_bad_input(on_call: OnCall, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    assert on_call("send", "--apply", bad).exit_code == 2


def test_every_bad_file_is_named(on_call: OnCall, tmp_path: Path) -> None:
    files = [write(tmp_path, {"detail": {}}, f"bad{number}.json") for number in range(3)]
    *errors, hint = on_call("send", "--apply", *files).stderr.splitlines()
    assert [line.startswith(f"error: {file}: ") for line, file in zip(errors, files, strict=True)] == [True] * 3
    assert hint == "hint: nothing was sent; docs/events.md has every field of every event"


def test_a_file_that_is_not_there(on_call: OnCall, tmp_path: Path) -> None:
    assert on_call("send", "--apply", tmp_path / "absent.json").exit_code == 2
    assert on_call("send").exit_code == 2


def test_a_bus_that_takes_only_some(on_call: OnCall, event: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put_events(Entries: list[Any]) -> Any:  # noqa: ANN401, N803
        answers = [{"EventId": "e1"}, {"ErrorCode": "ThrottlingException", "ErrorMessage": "Slow down"}]
        return {"Entries": answers[: len(Entries)], "FailedEntryCount": 1}

    monkeypatch.setattr(on_call.stack.events, "put_events", put_events)
    result = on_call("send", "--apply", event, event)
    assert result.exit_code == 3
    assert result.stderr.endswith(
        "error: the bus codat-sync-events took 1 of 2 events: ThrottlingException Slow down\n"
        "hint: send the events again: a repeated event does no harm\n"
    )


# --- Without --apply, and what the live presets know -----------------------------------------------------------------


@pytest.fixture
def with_presets(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> OnCall:
    """Give the stack the presets that `make local` deploys."""
    stack = replace(on_call.stack, deployed_presets=FILE)
    monkeypatch.setattr("ops.stack.Stack.find", lambda _: stack)
    return on_call


def test_without_apply_nothing_is_sent(with_presets: OnCall, event: Path) -> None:
    result = with_presets("send", event)
    assert (result.exit_code, result.stderr) == (0, "")
    assert str(COMPANY) in result.stdout
    assert "1 would be sent. Nothing was sent. --apply does it." in result.stdout
    assert with_presets.json("send", event)["would_send"][0]["company_id"] == str(COMPANY)
    assert with_presets.events() == []


@pytest.mark.parametrize("apply", [[], ["--apply"]], ids=["dry", "apply"])
def test_a_plan_without_a_live_preset_is_refused_with_the_nearest(
    with_presets: OnCall, tmp_path: Path, event: Path, apply: list[str]
) -> None:
    bad = write(tmp_path, {"detail": {"companyId": str(COMPANY), "plan": "growht"}}, "bad.json")
    result = with_presets("send", event, bad, *apply)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {bad}: unknown plan 'growht': did you mean 'growth'?")
    assert with_presets.events() == []


def test_presets_that_cannot_be_read_are_said_and_the_event_is_sent(on_call: OnCall, event: Path) -> None:
    result = on_call("send", event, "--apply")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: the plans were not checked: the stack 'codat-sync' has no CompanyPlanChangedFunctionName: "
        "its template is older than this tool\n"
    )
    assert len(on_call.events()) == 1


def test_an_event_may_come_from_standard_input(with_presets: OnCall, event: Path) -> None:
    result = CliRunner().invoke(app, ["send", "-", "--apply"], input=event.read_bytes())
    assert result.exit_code == 0
    assert len(with_presets.events()) == 1
