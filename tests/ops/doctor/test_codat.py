"""The key, and what Codat answers to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.pause import Pause
from ops.clock import now
from ops.doctor import codat, examine
from ops.doctor.finding import Light
from ops.doctor.subject import Subject
from tests.ops.doctor.stubbed import Answers, subject_of
from tests.ops.on_call import KEY, OnCall

SECRET = "codat-sync/api-key"  # noqa: S105  # A name.


@pytest.fixture
def subject(on_call: OnCall) -> Subject:
    return Subject(on_call.stack, Path("presets.toml"), now)


@pytest.fixture
def store(on_call: OnCall) -> Callable[[str], object]:
    secrets = on_call.stack.aws.session.client("secretsmanager")
    return lambda text: secrets.put_secret_value(SecretId=SECRET, SecretString=text)


def test_a_key_that_codat_accepts(subject: Subject) -> None:
    secret, answer = codat.secret(subject), codat.answer(subject)
    assert (secret.light, answer.light) == (Light.GREEN, Light.GREEN)
    assert "accepts the key" in answer.words
    assert KEY not in secret.words + answer.words


def test_a_secret_that_is_not_there_is_red_and_codat_cannot_be_asked(on_call: OnCall, subject: Subject) -> None:
    secrets = on_call.stack.aws.session.client("secretsmanager")
    secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    assert codat.secret(subject).light is Light.RED
    assert codat.answer(subject).light is Light.UNANSWERED


def test_a_secret_that_the_caller_may_not_read_is_no_finding_about_the_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = Answers()
    answers.refuse("secretsmanager", "get_secret_value", "AccessDeniedException")
    monkeypatch.setattr(examine, "BEFORE", {"secret": codat.secret})
    monkeypatch.setattr(examine, "AFTER", {})
    (line,) = examine.examine(subject_of(answers, parameters={"CodatApiKeySecretName": SECRET}), deployed=True)
    assert (line.light, line.words) == (Light.YELLOW, "not seen: AWS does not allow you GetSecretValue")


@pytest.mark.parametrize("text", ["", "your-api-key", '{"key": "a"}', "a b c"])
def test_a_secret_that_holds_no_key_is_red(store: Callable[[str], object], subject: Subject, text: str) -> None:
    store(text or " ")
    finding = codat.secret(subject)
    assert finding.light is Light.RED
    assert finding.action is not None
    assert SECRET in finding.action


def test_a_wrong_key_is_plausible_and_codat_refuses_it(store: Callable[[str], object], subject: Subject) -> None:
    store("another-key-that-no-output-may-show")
    assert codat.secret(subject).light is Light.GREEN
    finding = codat.answer(subject)
    assert finding.light is Light.RED
    assert "refuses the key" in finding.words


def test_an_account_that_codat_refuses_is_red(on_call: OnCall, subject: Subject) -> None:
    on_call.account.flags.expired = True
    finding = codat.answer(subject)
    assert (finding.light, finding.action) == (Light.RED, "docs/runbook.md says what to do about `account_expired`")


@pytest.mark.parametrize(("chosen", "light"), [("auto", Light.GREEN), ("hours", Light.GREEN), ("object", Light.YELLOW)])
def test_a_dialect_that_codat_does_not_speak_is_yellow(
    on_call: OnCall, subject: Subject, chosen: str, light: Light
) -> None:
    stack = replace(on_call.stack, parameters={**on_call.stack.parameters, "CodatSyncScheduleFormat": chosen})
    finding = codat.answer(replace(subject, stack=stack))
    assert finding.light is light
    assert "dialect hours" in finding.words or finding.light is Light.YELLOW


@pytest.mark.parametrize(
    ("limits", "light"),
    [
        (RateLimit(limit=1000, remaining=100), Light.GREEN),
        (RateLimit(limit=1000, remaining=99), Light.YELLOW),
        (RateLimit(), Light.UNANSWERED),
    ],
)
def test_the_quota_is_what_codat_told_last(subject: Subject, limits: RateLimit, light: Light) -> None:
    subject.stack.codat.rate_limit = limits
    assert codat.quota(subject).light is light


def test_a_pause_is_red(on_call: OnCall, subject: Subject) -> None:
    assert codat.pause(subject).light is Light.GREEN
    on_call.stack.pause.write(Pause("account_expired", "Expired.", datetime.now(UTC) + timedelta(hours=1)))
    assert codat.pause(subject).light is Light.RED
