"""Each sample in events/ is understood, and reaches the queue of the function that understands it."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.decode import cfn_yaml
from jsonschema import Draft202012Validator
from moto import mock_aws

from codat_sync import events
from codat_sync.consumer import ReadEvent
from codat_sync.events import CompanyEvent, MalformedEvent, read_connection_event, read_plan_event
from local.event_schemas import FOLDER, schemas

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "events").glob("*.json"))
NOW = datetime(2026, 2, 1, tzinfo=UTC)
READERS: dict[str, ReadEvent] = {
    "CompanyPlanChangedRule": read_plan_event,
    "NewConnectionRule": partial(read_connection_event, plan_tag="plan"),
}
TEMPLATE: Any = cfn_yaml.load(str(ROOT / "template.yaml"))


def pattern(rule: str) -> dict[str, Any]:
    return json.loads(json.dumps(TEMPLATE["Resources"][rule]["Properties"]["EventPattern"]))  # type: ignore[no-any-return]


def rules_that_match(*samples: dict[str, Any]) -> list[set[str]]:
    """By way of an event bus that has the template's rules: which of them passes each event on."""
    with mock_aws():
        bus, sqs = boto3.client("events"), boto3.client("sqs")
        bus.create_event_bus(Name="bus")
        queues = {}
        for rule in READERS:
            queues[rule] = sqs.create_queue(QueueName=rule)["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=queues[rule], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            bus.put_rule(Name=rule, EventBusName="bus", EventPattern=json.dumps(pattern(rule)))
            bus.put_targets(Rule=rule, EventBusName="bus", Targets=[{"Id": "queue", "Arn": arn}])
        matched = []
        for sample in samples:
            bus.put_events(
                Entries=[
                    {
                        "EventBusName": "bus",
                        "Source": sample["source"],
                        "DetailType": sample["detail-type"],
                        "Detail": json.dumps(sample["detail"]),
                    }
                ]
            )
            matched.append({rule for rule, url in queues.items() if sqs.receive_message(QueueUrl=url).get("Messages")})
        return matched


def sample(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_reaches_one_function_and_is_understood_there(path: Path) -> None:
    ((rule,),) = rules_that_match(sample(path))
    assert isinstance(READERS[rule](path.read_text("utf-8"), now=NOW), CompanyEvent)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_refused_by_the_other_function(path: Path) -> None:
    ((rule,),) = rules_that_match(sample(path))
    (other,) = set(READERS) - {rule}
    with pytest.raises(MalformedEvent, match="detail-type"):
        READERS[other](path.read_text("utf-8"), now=NOW)


def test_there_is_a_sample_of_each_detail_type_that_is_taken() -> None:
    taken = {*events.PLAN_CHANGED, events.PLAN_CANCELLED, events.NEW_CONNECTION, *events.CODAT_CONNECTED}
    assert {sample(path)["detail-type"] for path in SAMPLES} == taken


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ("CompanyPlanChangedRule", {*events.PLAN_CHANGED, events.PLAN_CANCELLED}),
        ("NewConnectionRule", {events.NEW_CONNECTION, *events.CODAT_CONNECTED}),
    ],
)
def test_a_rule_passes_on_what_its_function_takes_and_nothing_else(rule: str, taken: set[str]) -> None:
    assert set(pattern(rule)["detail-type"]) == taken


def test_no_rule_listens_to_our_own_events() -> None:
    own = {**sample(SAMPLES[0]), "source": "codat-sync"}
    assert rules_that_match(own, {**own, "source": "billing", "detail-type": "Something Else"}) == [set(), set()]


def test_a_sample_without_the_fields_that_only_eventbridge_adds_is_understood() -> None:
    whole = sample(ROOT / "events/company_upgraded_plan.json")
    sent_to_sqs = {name: whole[name] for name in ("id", "detail-type", "time", "detail")}
    assert read_plan_event(json.dumps(sent_to_sqs), now=NOW) == read_plan_event(json.dumps(whole), now=NOW)


def test_the_schemas_for_producers_are_those_of_the_contracts() -> None:
    """If this fails after a change of a contract: make schemas."""
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")} == schemas()


@pytest.mark.parametrize(
    ("schema", "stem"),
    [
        ("PlanChanged", "company_upgraded_plan"),
        ("PlanChanged", "company_downgraded_plan"),
        ("PlanChanged", "company_changed_plan"),
        ("PlanCancelled", "company_cancelled_plan"),
        ("NewConnection", "new_connection"),
        ("NewConnection", "new_connection.with_plan"),
    ],
)
def test_a_sample_satisfies_the_schema_for_producers(schema: str, stem: str) -> None:
    validator = Draft202012Validator(json.loads((FOLDER / f"{schema}.json").read_text("utf-8")))
    validator.validate(sample(ROOT / f"events/{stem}.json")["detail"])
