"""`codat-sync doctor` at the deployed stack: all is well, and each thing that is not is on the right line."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli.exit_codes import FINE, FOUND
from ops.cli.main import app
from tests.system.system import PRESETS, System

Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]
SECRET = "codat-sync/api-key"  # noqa: S105  # A name.
MAPPING = "CompanyPlanChangedFunctionQueue"


@pytest.fixture
def doctor(system: System, home: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Run the command with the presets that were deployed; return its exit code, and its lines by check."""
    (home / "DEPLOYED.toml").write_text(PRESETS, encoding="utf-8")
    monkeypatch.chdir(home)
    assert system.deployed.name

    def run(*arguments: str, presets: str = "DEPLOYED.toml") -> tuple[int, dict[str, dict[str, Any]]]:
        words = ["doctor", "--local", "--json", "--presets", presets, *arguments]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        return result.exit_code, {line["check"]: line for line in json.loads(result.stdout)}

    return run


def lights(lines: dict[str, dict[str, Any]], light: str) -> set[str]:
    return {check for check, line in lines.items() if line["light"] == light}


def client(system: System, service: str) -> Any:  # noqa: ANN401
    session: Any = system.deployed.aws.session
    return session.client(service, **system.deployed.aws.connection)


def physical(system: System, logical: str) -> str:
    """Return the id that CloudFormation gave to a resource."""
    asked = {"StackName": system.deployed.name, "LogicalResourceId": logical}
    detail = client(system, "cloudformation").describe_stack_resource(**asked)["StackResourceDetail"]
    return str(detail["PhysicalResourceId"])


def test_a_stack_that_works_is_green_and_an_event_goes_through_it(system: System, doctor: Doctor) -> None:
    (company,) = system.create_companies(1)
    exit_code, lines = doctor("--send", "--company", str(company), "--plan", "growth")
    assert lights(lines, "red") == set()
    # The emulator cannot have composite alarms, and so has no recipient of alarms.
    assert lights(lines, "unanswered") == {"alarm actions", "alarm topic"}
    assert lights(lines, "yellow") <= {"last event"}  # There may have been none before this one.
    assert exit_code == FINE
    assert lines["event sent"]["light"] == "green"
    assert system.at_preset(company, "growth")

    _, lines = doctor()
    assert lights(lines, "yellow") == set()


@contextmanager
def wrong_key(system: System) -> Iterator[None]:
    secrets = client(system, "secretsmanager")
    right = secrets.get_secret_value(SecretId=SECRET)["SecretString"]
    secrets.put_secret_value(SecretId=SECRET, SecretString="the-key-of-another-account")
    yield
    secrets.put_secret_value(SecretId=SECRET, SecretString=right)


@contextmanager
def disabled_mapping(system: System) -> Iterator[None]:
    functions, mapping = client(system, "lambda"), physical(system, MAPPING)
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)


@contextmanager
def unsubscribed_topic(system: System) -> Iterator[None]:
    topics, cloudwatch = client(system, "sns"), client(system, "cloudwatch")
    topic = topics.create_topic(Name="alarms-that-nobody-hears")["TopicArn"]
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    kept = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    before = [{name: value for name, value in alarm.items() if name in kept} for alarm in alarms]
    for alarm in before:
        cloudwatch.put_metric_alarm(**alarm | {"AlarmActions": [topic]})
    yield
    for alarm in before:
        cloudwatch.put_metric_alarm(**alarm)
    topics.delete_topic(TopicArn=topic)


@contextmanager
def full_dlq(system: System) -> Iterator[None]:
    url = system.deployed.output("FailedEventsQueueUrl")
    system.deployed.sqs.send_message(QueueUrl=url, MessageBody="{}")
    yield
    system.deployed.sqs.purge_queue(QueueUrl=url)


@pytest.mark.parametrize(
    ("broken", "line"),
    [(wrong_key, "Codat"), (disabled_mapping, "mappings"), (unsubscribed_topic, "alarm topic"), (full_dlq, "DLQs")],
    ids=["wrong key", "disabled mapping", "unsubscribed topic", "full DLQ"],
)
def test_what_is_broken_is_the_line_that_is_red(system: System, doctor: Doctor, broken: Any, line: str) -> None:  # noqa: ANN401
    with broken(system):
        exit_code, lines = doctor()
    assert lights(lines, "red") == {line}
    assert lines[line]["action"]
    assert exit_code == FOUND
    assert doctor()[0] == FINE


def test_presets_that_are_not_deployed_yet_are_the_line_that_is_red(home: Path, doctor: Doctor) -> None:
    (home / "EDITED.toml").write_text(PRESETS.replace('"weekly"', '"monthly"'), encoding="utf-8")
    exit_code, lines = doctor(presets="EDITED.toml")
    assert lights(lines, "red") == {"presets deployed"}
    assert exit_code == FOUND
