"""Presets in AppConfig: what is live, the fallback where AppConfig fails, and duties that refuse the fallback."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from codat_sync import wiring
from codat_sync.companies.converge import Convergence
from codat_sync.config import Config, ReconciliationConfig, RedriveConfig
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.events.company_events import read_plan_event
from codat_sync.presets.file import Presets
from codat_sync.presets.hosted import (
    LOOK_CONNECT_SECONDS,
    LOOK_READ_SECONDS,
    MAX_AGE,
    HostedFile,
    LivePresets,
    PresetsUnusable,
)
from local.presets import local_presets
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePlans
from tests.fakes.lambda_ import FakeContext, sqs_event
from tests.unit.codat.scripted_server import Reaction, Script, answer, cut, scripted_server, silence

DAY = timedelta(days=1)
TOML = b'default_plan = "free"\non_cancelled = "free"\n[plans.free]\nfrequency = "monthly"\n'
OTHER = TOML.replace(b"monthly", b"weekly")
BAD = TOML.replace(b"monthly", b"hourlyish")
PACKAGED = local_presets()


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetLatestConfiguration")


@dataclass
class FakeAppConfig:
    """AppConfig's data plane: a token serves one call within a day, and a session gets no content twice.

    Each of the next calls raises one of the ``failures``.
    """

    content: bytes | None = TOML
    now: datetime = NOW
    failures: list[Exception] = field(default_factory=list)
    sessions: list[Mapping[str, str]] = field(default_factory=list)
    polls: int = 0
    _tokens: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)

    def start_configuration_session(self, **asked: str) -> dict[str, Any]:
        self._answer()
        self.sessions.append(asked)
        return {"InitialConfigurationToken": self._token(b"")}

    def get_latest_configuration(self, *, ConfigurationToken: str) -> dict[str, Any]:  # noqa: N803  # AWS's own name.
        self.polls += 1
        self._answer()
        issued_at, seen = self._tokens.pop(ConfigurationToken, (self.now - DAY, b""))
        if self.now - issued_at >= DAY:
            raise error("BadRequestException")
        if self.content is None:
            raise error("ResourceNotFoundException")
        body = b"" if self.content == seen else self.content
        return {"Configuration": BytesIO(body), "NextPollConfigurationToken": self._token(self.content)}

    def _token(self, seen: bytes) -> str:
        token = f"token-{len(self.sessions)}-{self.polls}"
        self._tokens[token] = (self.now, seen)
        return token

    def _answer(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class Bench:
    """Live presets on a fake AppConfig, with their logs and metrics."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        caplog.set_level("INFO")
        self.appconfig = FakeAppConfig()
        self.file = HostedFile(
            lambda: AppConfigProvider("live", "codat-sync", boto3_client=self.appconfig), "the-profile"
        )
        self.live = LivePresets(self.file, PACKAGED, max_age=MAX_AGE, now=lambda: self.appconfig.now)
        self._caplog = caplog
        self._capsys = capsys

    def later(self, content: bytes | None = TOML, *failures: Exception, after: timedelta = MAX_AGE) -> Presets:
        """Return the presets some time after AppConfig got another content or began to fail."""
        self.appconfig.now += after
        self.appconfig.content = content
        self.appconfig.failures = list(failures)
        return self.live()

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [vars(each) for each in self._caplog.records if each.msg == message]

    @property
    def counted(self) -> list[str]:
        """The reasons counted since the last call."""
        lines = [json.loads(line) for line in self._capsys.readouterr().out.splitlines() if "_aws" in line]
        return [line["reason"] for line in lines if line.get("PresetsUnusable") == [1.0]]


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(caplog, capsys)


# --- What is live ---------------------------------------------------------------------------------------------------


def test_what_appconfig_holds_is_live(bench: Bench) -> None:
    assert bench.live() == Presets.parse(TOML)
    (asked,) = bench.appconfig.sessions
    assert asked == {
        "ApplicationIdentifier": "codat-sync",
        "EnvironmentIdentifier": "live",
        "ConfigurationProfileIdentifier": "the-profile",
    }


def test_a_change_is_used_and_logged_with_the_files_checksum(bench: Bench) -> None:
    bench.live()
    assert bench.later(OTHER) == Presets.parse(OTHER)
    assert [each["sha256"] for each in bench.logged("presets_live")] == [
        hashlib.sha256(content).hexdigest() for content in (TOML, OTHER)
    ]


def test_presets_are_used_for_a_minute_without_another_look(bench: Bench) -> None:
    before = bench.live()
    assert bench.later(OTHER, after=MAX_AGE - timedelta(seconds=1)) is before
    assert bench.appconfig.polls == 1
    assert bench.later(OTHER, after=timedelta(seconds=1)) is not before


def test_without_a_maximum_age_each_call_looks(bench: Bench) -> None:
    live = LivePresets(bench.file, PACKAGED, max_age=timedelta(0), now=lambda: NOW)
    assert live() is live()
    assert bench.appconfig.polls == 2


def test_an_empty_answer_means_no_change_and_gives_the_same_object(bench: Bench) -> None:
    before = bench.live()
    assert bench.later() is before
    assert (bench.appconfig.polls, len(bench.appconfig.sessions)) == (2, 1)


def test_a_new_session_with_the_same_content_gives_the_same_object(bench: Bench) -> None:
    before = bench.live()
    assert bench.later(TOML, error("InternalServerException")) is before
    assert len(bench.appconfig.sessions) == 2


def test_a_token_that_has_expired_is_replaced_at_once(bench: Bench) -> None:
    bench.live()
    assert bench.later(OTHER, after=DAY) == Presets.parse(OTHER)
    assert len(bench.appconfig.sessions) == 2
    assert bench.counted == []


def test_where_nothing_was_ever_deployed_the_packaged_presets_are_live(bench: Bench) -> None:
    bench.appconfig.content = None
    assert bench.live() is PACKAGED
    assert bench.live.known() is PACKAGED
    assert (bench.counted, bench.logged("presets_unusable"), bench.logged("presets_live")) == ([], [], [])
    assert bench.later(TOML) == Presets.parse(TOML)
    assert bench.later(None) is PACKAGED


def test_an_empty_first_answer_means_that_nothing_was_deployed(bench: Bench) -> None:
    bench.appconfig.content = b""
    assert bench.live.known() is PACKAGED


# --- The fallback ---------------------------------------------------------------------------------------------------

FAILURES = (ConnectTimeoutError(endpoint_url="https://appconfigdata/x?configuration_token=secret"),) * 2


def test_the_last_valid_presets_stay_in_use_while_appconfig_cannot_be_read(bench: Bench) -> None:
    before = bench.live()
    assert bench.later(OTHER, *FAILURES) is before
    assert bench.live.known() is before
    assert bench.counted == ["unreadable"]
    (line,) = bench.logged("presets_unusable")
    assert line["reason"] == "unreadable"
    assert line["words"].startswith("AppConfig cannot be read: Connect timeout on endpoint URL")
    assert line["going_on_with"] == "the last good ones"


def test_a_token_is_never_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.later(TOML, *FAILURES)
    assert "secret" not in caplog.text + str([vars(each) for each in caplog.records])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BAD, 'plan free, frequency: "hourlyish" is not a frequency'),
        (b"\xff", "not UTF-8"),
        (b"plans = ", "not TOML"),
    ],
)
def test_the_last_valid_presets_stay_in_use_while_the_new_ones_are_invalid(
    bench: Bench, content: bytes, words: str
) -> None:
    before = bench.live()
    assert bench.later(content) is before
    assert bench.counted == ["invalid"]
    (line,) = bench.logged("presets_unusable")
    assert words in line["words"]


@pytest.mark.parametrize(("content", "failures"), [(TOML, FAILURES), (BAD, ())])
def test_before_the_first_valid_presets_the_packaged_ones_are_the_fallback(
    bench: Bench, content: bytes, failures: tuple[Exception, ...]
) -> None:
    assert bench.later(content, *failures) is PACKAGED
    (line,) = bench.logged("presets_unusable")
    assert line["going_on_with"] == "the packaged ones"


def test_a_problem_is_logged_once_and_counted_at_each_look(bench: Bench) -> None:
    for _ in range(3):
        bench.later(TOML, *FAILURES)
    bench.later(BAD)
    assert bench.counted == ["unreadable"] * 3 + ["invalid"]
    assert [each["reason"] for each in bench.logged("presets_unusable")] == ["unreadable", "invalid"]


def test_the_end_of_a_problem_is_logged(bench: Bench) -> None:
    before = bench.live()
    bench.later(BAD)
    assert bench.later(TOML) is before
    assert len(bench.logged("presets_live")) == 2
    bench.later(BAD)
    assert len(bench.logged("presets_unusable")) == 2


def test_a_failed_look_is_repeated_after_a_minute_at_the_earliest(bench: Bench) -> None:
    """Also where each invocation looks: a failing AppConfig must not delay every one of them."""
    live = LivePresets(bench.file, PACKAGED, max_age=timedelta(0), now=lambda: bench.appconfig.now)
    bench.appconfig.failures = list(FAILURES)
    assert [live(), live()] == [PACKAGED, PACKAGED]
    assert bench.counted == ["unreadable"]
    bench.appconfig.now += MAX_AGE
    assert live() == Presets.parse(TOML)


def test_a_rollback_restores_the_old_presets(bench: Bench) -> None:
    before = bench.live()
    bench.later(OTHER)
    assert bench.later(TOML) == before


# --- Duties that refuse the fallback ---------------------------------------------------------------------------------


def test_work_on_all_companies_waits_for_presets_that_are_known(bench: Bench) -> None:
    bench.appconfig.failures = list(FAILURES)
    with pytest.raises(PresetsUnusable, match="AppConfig cannot be read"):
        bench.live.known()
    assert bench.later(TOML) is bench.live.known()


# --- As it is wired, and over the wire ------------------------------------------------------------------------------

ENVIRONMENT = {
    "CODAT_BASE_URL": "https://api.codat.io",
    "CODAT_API_KEY_SECRET_NAME": "codat/api-key",
    "COMPANY_PLANS_TABLE_NAME": "company-plans",
    "EVENT_BUS_NAME": "events",
    "FAILED_EVENTS_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/failed",
    "PAYMENT_REQUIRED_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/payment",
    "POWERTOOLS_METRICS_NAMESPACE": "codat-sync",
    "PRESETS_PROFILE": "app1234/live/prof567",
    "RECONCILE_COMPANY_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/companies",
    "SOURCE_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/source",
}
SESSION = answer(201, b'{"InitialConfigurationToken": "one"}')
FILE = answer(200, TOML, Next_Poll_Configuration_Token="two", Content_Type="application/toml")  # noqa: S106
ABSENT = answer(404, b'{"Message": "no"}', x_amzn_ErrorType="ResourceNotFoundException")


@pytest.fixture
def deployed() -> Iterator[None]:
    with mock_aws():
        yield


class Given:
    """Records the presets that a function's wiring passes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.presets: list[Presets] = []
        monkeypatch.setattr(wiring, "Convergence", self._convergence)

    def _convergence(
        self, _codat: object, _plans: object, presets: Presets, now: Callable[[], datetime]
    ) -> Convergence:
        self.presets.append(presets)
        return Convergence(FakeCodat(), FakePlans(), presets, now)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, deployed: None) -> Given:  # noqa: ARG001
    return Given(monkeypatch)


def at(server: Script) -> None:
    os.environ["AWS_ENDPOINT_URL_APPCONFIGDATA"] = server.url


def consume_nothing(consumer: Any) -> None:  # noqa: ANN401  # Of any function.
    assert consumer.consume(sqs_event(), FakeContext()) == {"batchItemFailures": []}


def test_over_the_wire(given: Given) -> None:
    with scripted_server(SESSION, FILE) as server:
        at(server)
        consume_nothing(wiring.wire_consumer(Config.from_env(ENVIRONMENT), read_plan_event))
    assert given.presets == [Presets.parse(TOML)]
    assert server.lines == [
        "POST /configurationsessions HTTP/1.1",
        "GET /configuration?configuration_token=one HTTP/1.1",
    ]
    assert json.loads(server.heard[0].body) == {
        "ApplicationIdentifier": "app1234",
        "EnvironmentIdentifier": "live",
        "ConfigurationProfileIdentifier": "prof567",
    }


def test_nothing_deployed_over_the_wire(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_server(SESSION, ABSENT) as server:
        at(server)
        consume_nothing(wiring.wire_consumer(Config.from_env(ENVIRONMENT), read_plan_event))
    assert given.presets == [PACKAGED]
    assert "PresetsUnusable" not in capsys.readouterr().out


@pytest.mark.parametrize("reaction", [cut, silence, answer(500), answer(403), answer(429)])
def test_a_failing_appconfig_is_given_up_after_two_calls(
    given: Given, monkeypatch: pytest.MonkeyPatch, reaction: Reaction
) -> None:
    monkeypatch.setattr(wiring, "LOOK_READ_SECONDS", 0.1)
    with scripted_server(reaction) as server:
        at(server)
        consume_nothing(wiring.wire_consumer(Config.from_env(ENVIRONMENT), read_plan_event))
    assert given.presets == [PACKAGED]
    assert len(server.lines) == 2


def test_the_slowest_look_leaves_a_batch_its_time() -> None:
    calls = 3  # With an old token, for a new session, and with its first token.
    assert calls * (LOOK_CONNECT_SECONDS + LOOK_READ_SECONDS) + START_SECONDS < 60


def test_without_a_profile_appconfig_is_not_called(given: Given) -> None:
    environment = {**ENVIRONMENT, "PRESETS_PROFILE": ""}
    with scripted_server(cut) as server:
        at(server)
        consume_nothing(wiring.wire_consumer(Config.from_env(environment), read_plan_event))
        consume_nothing(wiring.wire_company_reconciliation(Config.from_env(environment)))
    assert server.lines == []
    assert given.presets == [PACKAGED, PACKAGED]


def test_the_consumer_of_handed_over_companies_uses_the_presets_of_the_moment(given: Given) -> None:
    with scripted_server(SESSION, FILE, answer(200, OTHER, Next_Poll_Configuration_Token="3")) as server:  # noqa: S106
        at(server)
        consumer = wiring.wire_company_reconciliation(Config.from_env(ENVIRONMENT))
        consume_nothing(consumer)
        consume_nothing(consumer)
    assert given.presets == [Presets.parse(TOML), Presets.parse(OTHER)]


def message(detail_type: str) -> dict[str, Any]:
    return sqs_event(json.dumps({"id": "r1", "detail-type": detail_type, "detail": {}}))


def test_a_reconciliation_run_does_not_begin_without_presets_that_are_known(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted_server(cut) as server:
        at(server)
        reconciliation = wiring.wire_reconciliation(ReconciliationConfig.from_env(ENVIRONMENT))
        answered = reconciliation.consume(message("Reconciliation Requested"), FakeContext(900.0))
    assert answered == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert given.presets == []
    (line,) = [vars(each) for each in caplog.records if each.msg == "duty_failed"]
    assert line["reason"] == PresetsUnusable.reason
    assert not line["exc_info"]


def test_the_duties_use_the_presets_of_the_moment(given: Given) -> None:
    with scripted_server(SESSION, FILE, SESSION, FILE) as server:
        at(server)
        reconciliation = wiring.wire_reconciliation(ReconciliationConfig.from_env(ENVIRONMENT))
        reconciliation.consume(message("Reconciliation Requested"), FakeContext(900.0))
        redrive = wiring.wire_redrive(RedriveConfig.from_env(ENVIRONMENT))
        redrive.consume(message("Redrive Requested"), FakeContext(900.0))
    assert given.presets == [Presets.parse(TOML)] * 2
