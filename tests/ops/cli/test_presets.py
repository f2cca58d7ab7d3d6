"""The commands of ``presets`` that need a stack: show the live file, put another one, and follow its rollout."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from local.presets import local_presets
from tests.ops.appconfig import FakeAppConfig, refusal
from tests.ops.on_call import COMPANY, OnCall

PACKAGED = Path("local/presets.toml").read_bytes()
OTHER = PACKAGED.replace(b'[plans.growth]\nfrequency = "daily"', b'[plans.growth]\nfrequency = "weekly"')
MORE = PACKAGED + b'\n[plans.extra]\nfrequency = "daily"\n'
NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    file = tmp_path / "new.toml"
    file.write_bytes(OTHER)
    return file


# --- What is live ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [False, True])
def test_a_stack_shows_the_packaged_file_unless_appconfig_has_one(
    on_call: OnCall, request: pytest.FixtureRequest, *, on: bool
) -> None:
    if on:
        request.getfixturevalue("appconfig")
    assert on_call("presets", "show").stdout_bytes == PACKAGED
    shown = on_call.json("presets", "show")
    assert shown == {"sha256": hashlib.sha256(PACKAGED).hexdigest(), "toml": PACKAGED.decode()}


def test_the_file_in_appconfig_is_shown_byte_for_byte(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    appconfig.live = OTHER
    assert on_call("presets", "show").stdout_bytes == OTHER


def test_companies_are_compared_with_the_live_presets(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    on_call.add_company(plan="growth")
    desired = on_call.record()
    on_call.confirm(desired)
    appconfig.live = OTHER
    assert on_call.json("explain", COMPANY)["finding"] == "preset_changed"
    assert on_call.json("preview", "growth", COMPANY)["differences"][0]["after"].startswith("weekly")


def test_a_new_plan_is_known_to_a_backfill(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    appconfig.live = MORE
    on_call.account.add_company(str(COMPANY), tags={"plan": "extra"})
    assert on_call.json("backfill")["plans"] == {"extra": 1}


def test_new_presets_are_compared_with_those_that_are_live(
    on_call: OnCall, appconfig: FakeAppConfig, new: Path
) -> None:
    on_call.record(UUID(int=1), "growth")
    appconfig.live = OTHER
    assert on_call.json("preview", "--presets", new)["impact"]["changed"] == 0


def test_an_appconfig_that_cannot_be_read_is_one_line_and_a_code(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    appconfig.refuses = refusal("AccessDeniedException")
    result = on_call("presets", "show")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: AppConfig cannot be read: An error occurred (AccessDeniedException)")


# --- Put ------------------------------------------------------------------------------------------------------------


def test_without_apply_it_shows_what_they_would_change(on_call: OnCall, appconfig: FakeAppConfig, new: Path) -> None:
    on_call.record(UUID(int=1), "growth")
    result = on_call("presets", "put", new)
    assert result.exit_code == 0
    assert "1 of 1 companies would change." in result.stdout
    assert result.stdout.endswith("Nothing was changed. --apply starts the rollout.\n")
    assert (appconfig.versions, appconfig.deployments) == ([], [])


def test_they_are_rolled_out_with_the_strategy_of_the_stack(
    on_call: OnCall, appconfig: FakeAppConfig, new: Path
) -> None:
    words = f"sha256 {hashlib.sha256(OTHER).hexdigest()}"
    result = on_call("presets", "put", new, "--apply")
    assert result.exit_code == 0
    assert result.stdout.endswith("Deployment 1 of version 1: DEPLOYING, 0 %\n")
    assert appconfig.versions == [
        {
            "ApplicationId": "app1234",
            "ConfigurationProfileId": "pro1234",
            "Content": OTHER,
            "ContentType": "application/toml",
            "Description": words,
        }
    ]
    (deployment,) = appconfig.deployments
    assert deployment == deployment | {
        "ApplicationId": "app1234",
        "EnvironmentId": "env1234",
        "ConfigurationProfileId": "pro1234",
        "ConfigurationVersion": "1",
        "DeploymentStrategyId": "str1234",
        "Description": words,
    }
    assert "KmsKeyIdentifier" not in deployment
    rollout = on_call.json("presets", "put", new, "--apply")["rollout"]
    assert (rollout["number"], rollout["sha256"]) == (2, hashlib.sha256(OTHER).hexdigest())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (OTHER.replace(b'frequency = "weekly"', b'frequency = "hourlyish"'), '"hourlyish" is not a frequency'),
        (PACKAGED[: PACKAGED.index(b"[plans.scale]")], "plan scale: the deployed package has it"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_presets_that_cannot_be_used_are_bad_input(
    on_call: OnCall, appconfig: FakeAppConfig, new: Path, content: bytes, words: str
) -> None:
    new.write_bytes(content)
    result = on_call("presets", "put", new, "--apply")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert appconfig.versions == []


def test_no_plan_is_taken_away_from_a_company(on_call: OnCall, appconfig: FakeAppConfig, new: Path) -> None:
    appconfig.live = MORE
    on_call.record(UUID(int=1), "extra")
    result = on_call("presets", "put", new, "--apply")
    assert result.exit_code == 1
    assert result.stdout.endswith("Nothing was changed: there are companies on a plan that the new presets lack.\n")
    assert appconfig.versions == []


def test_a_plan_that_was_unknown_before_does_not_prevent_a_rollout(
    on_call: OnCall, appconfig: FakeAppConfig, new: Path
) -> None:
    on_call.record(UUID(int=1), "platinum")
    assert on_call("presets", "put", new, "--apply").exit_code == 1
    assert len(appconfig.deployments) == 1


def test_a_refusal_of_the_validator_is_bad_input_in_its_own_words(
    on_call: OnCall, appconfig: FakeAppConfig, new: Path
) -> None:
    appconfig.refuses = None
    appconfig.live = PACKAGED
    assert on_call.stack.presets == local_presets()
    appconfig.refuses = refusal("BadRequestException", "plan new: the deployed package has it")
    result = on_call("presets", "put", new, "--apply")
    assert (result.exit_code, result.stderr) == (2, "error: plan new: the deployed package has it\n")


def test_a_rollout_in_progress_is_not_replaced(on_call: OnCall, appconfig: FakeAppConfig, new: Path) -> None:
    assert on_call.stack.presets == local_presets()
    appconfig.refuses = refusal("ConflictException", "Deployment in progress")
    result = on_call("presets", "put", new, "--apply")
    assert result.exit_code == 3
    assert "Deployment in progress" in result.stderr


@pytest.mark.parametrize("command", [["put", "local/presets.toml"], ["status"]])
def test_a_stack_without_presets_in_appconfig_is_named(on_call: OnCall, command: list[str]) -> None:
    result = on_call("presets", *command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "error: the stack 'codat-sync' has no presets in AppConfig: its presets change with a deploy\n"
        "hint: deploy it with PresetsFromAppConfig=true\n"
    )


# --- Status ---------------------------------------------------------------------------------------------------------


def test_there_may_have_been_no_rollout(on_call: OnCall, appconfig: FakeAppConfig) -> None:  # noqa: ARG001
    result = on_call("presets", "status")
    assert (result.exit_code, result.stdout) == (
        0,
        "No presets were ever put into AppConfig: the packaged presets are live.\n",
    )


def test_the_newest_rollout_is_shown_with_the_newest_of_its_log(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    for number, state in enumerate(["COMPLETE", "ROLLED_BACK"], start=1):
        appconfig.deployments.append(
            {
                "DeploymentNumber": number,
                "ConfigurationVersion": str(number),
                "State": state,
                "PercentageComplete": 40.0,
                "EventLog": [
                    {"OccurredAt": NOW + timedelta(minutes=1), "Description": "Rolled back by the alarm"},
                    {"OccurredAt": NOW, "Description": "Deployment started"},
                ],
            }
        )
    result = on_call("presets", "status")
    assert result.exit_code == 1
    assert result.stdout == "Deployment 2 of version 2: ROLLED_BACK, 40 %\nRolled back by the alarm\n"
    assert on_call.json("presets", "status")["sha256"] is None


@pytest.mark.parametrize(("state", "code"), [("COMPLETE", 0), ("DEPLOYING", 1), ("BAKING", 1), ("REVERTED", 1)])
def test_a_rollout_is_complete_once_appconfig_no_longer_rolls_it_back(
    on_call: OnCall, appconfig: FakeAppConfig, state: str, code: int
) -> None:
    appconfig.deployments.append(
        {"DeploymentNumber": 1, "ConfigurationVersion": "1", "State": state, "PercentageComplete": 100.0}
    )
    assert on_call("presets", "status").exit_code == code
