"""A function that is invoked with another event than its own says so in words, before it does anything."""

import importlib
import json
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from codat_sync.callers import WrongCaller, presets_to_validate, sqs_batch
from tests.fakes.lambda_ import FakeContext, sqs_event
from tests.unit.json_strategies import JSON

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
SAMPLE = json.loads((ROOT / "events/company_upgraded_plan.json").read_text("utf-8"))
WRONG: dict[str, tuple[Any, str]] = {
    "console": ({"key1": "value1"}, "the test event of Lambda's console: it has key1"),
    "eventbridge": (SAMPLE, "an EventBridge event that did not come through SQS: it has "),
    "sns": ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hush"}}]}, "records of aws:sns"),
    "kinesis": ({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "hush"}}]}, "records of aws:kinesis"),
    "dynamodb": ({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}, "records of aws:dynamodb"),
    "s3": ({"Records": [{"eventSource": "aws:s3", "s3": {}}]}, "records of aws:s3"),
    "api gateway": ({"httpMethod": "POST", "headers": {"Authorization": "hush"}}, "an HTTP request: it has httpMethod"),
    "function url": ({"version": "2.0", "requestContext": {"http": {}}, "body": "hush"}, "an HTTP request"),
    "an sqs message alone": (sqs_event("hush")["Records"][0], "an unknown event: it has messageId, "),
    "what sqs answers": ({"Messages": [{"Body": "hush"}]}, "an unknown event: it has Messages"),
    "no records": ({"Records": []}, "a batch without records"),
    "null records": ({"Records": None}, "a batch without records"),
    "half a message": ({"Records": [{"eventSource": "aws:sqs", "body": "hush"}]}, "SQS messages that lack fields"),
    "no message": ({"Records": ["hush"]}, "records of an unknown source"),
    "a list": ([], "a JSON array, not an object"),
    "text": ("hush", "a JSON string, not an object"),
    "empty": ({}, "an empty event"),
    "nothing": (None, "no event"),
}


@pytest.mark.parametrize(("event", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_event_is_described_without_its_values(event: object, words: str) -> None:
    with pytest.raises(WrongCaller) as raised:
        sqs_batch(event)
    assert f"the function was invoked with {words}" in str(raised.value)
    assert "expected: a batch of messages from its SQS queue" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("event", [each for each, _ in WRONG.values()], ids=list(WRONG))
def test_every_function_refuses_it_before_any_client_is_made(
    function: str, event: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a client was made")

    monkeypatch.setattr(boto3, "client", forbidden)
    monkeypatch.setattr(requests, "Session", forbidden)
    app = importlib.import_module(f"functions.{function}.app")
    with pytest.raises(WrongCaller, match="the function was invoked with "):
        app.handler(event, FakeContext())


def test_a_batch_of_sqs_is_taken_as_it_is() -> None:
    batch = sqs_event("one", "two")
    assert sqs_batch(batch) is batch


def test_one_foreign_record_among_messages_is_refused() -> None:
    batch = sqs_event("one")
    batch["Records"].append({"EventSource": "aws:sns"})
    with pytest.raises(WrongCaller, match="records of aws:sns"):
        sqs_batch(batch)


def test_many_and_long_names_of_fields_are_shortened() -> None:
    with pytest.raises(WrongCaller) as raised:
        sqs_batch({f"{'x' * 500}{number}": 1 for number in range(50)})
    assert "and 44 more" in str(raised.value)
    assert len(str(raised.value)) < 1_000


@given(JSON)
def test_no_json_leads_to_another_error(event: object) -> None:
    for read in (sqs_batch, presets_to_validate):
        with suppress(WrongCaller):
            read(event)


@given(st.binary(max_size=200))
def test_what_appconfig_sends_to_a_validator_is_read(content: bytes) -> None:
    assert presets_to_validate({"content": b64encode(content).decode("ascii"), "uri": ""}) == content


@pytest.mark.parametrize("content", ["not base64!", "YQ", "é"])
def test_presets_that_are_not_base64_are_refused_without_their_text(content: str) -> None:
    with pytest.raises(WrongCaller, match="the presets file in base64") as raised:
        presets_to_validate({"content": content})
    assert content not in str(raised.value)
