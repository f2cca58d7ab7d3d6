"""A parked event is in its DLQ byte for byte, with the attributes that replay and triage need."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_sqs import SQSClient

from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.triage import PARKED, Failure, Outcome
from tests.fakes.clock import NOW

EVENT = ReceivedEvent(
    body='{"id":  "event-1",\n"name": "Grüße \u2028 \U0001f600"}',
    source_queue="arn:aws:sqs:eu-west-2:123456789012:source",
    event_id="event-1",
    company_id="8a210b68-6988-4001-a1eb-0242ac120001",
    plan="scale",
)
FAILURE = Failure(
    outcome=Outcome.PARKED_PAYMENT_REQUIRED,
    reason="account_expired",
    words="Payment Required (Account expired.)",
    status=402,
    correlation_id="bc997528a9d7abb9161ef45f05d38599",
)


@pytest.fixture
def queue_urls(sqs: SQSClient) -> Iterator[dict[Outcome, str]]:
    payment = sqs.create_queue(QueueName="payment")["QueueUrl"]
    failed = sqs.create_queue(QueueName="failed")["QueueUrl"]
    yield {
        Outcome.DEGRADED: payment,
        Outcome.PARKED_PAYMENT_REQUIRED: payment,
        Outcome.PARKED_FAILED: failed,
    }
    sqs.delete_queue(QueueUrl=payment)
    sqs.delete_queue(QueueUrl=failed)


@pytest.fixture
def dead_letters(sqs: SQSClient, queue_urls: dict[Outcome, str]) -> DeadLetters:
    return DeadLetters(sqs, queue_urls, lambda: NOW)


def messages(sqs: SQSClient, url: str) -> list[Any]:
    return sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10).get("Messages", [])


def parked(sqs: SQSClient, url: str) -> tuple[str, dict[str, str]]:
    """Return the body and the attributes of the only message of a queue."""
    (message,) = messages(sqs, url)
    attributes = message.get("MessageAttributes", {})
    assert {value["DataType"] for value in attributes.values()} <= {"String"}
    return message["Body"], {name: value["StringValue"] for name, value in attributes.items()}


def failure(**changes: Any) -> Failure:  # noqa: ANN401
    fields: dict[str, Any] = {"outcome": Outcome.PARKED_FAILED, "reason": "malformed_event", "words": "body: no JSON"}
    return Failure(**{**fields, **changes})


def test_the_body_is_the_original_byte_for_byte_and_the_reason_is_in_attributes(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    dead_letters.park(EVENT, Outcome.PARKED_PAYMENT_REQUIRED, FAILURE)
    assert parked(sqs, queue_urls[Outcome.PARKED_PAYMENT_REQUIRED]) == (
        EVENT.body,
        {
            "reason": "account_expired",
            "words": "Payment Required (Account expired.)",
            "status": "402",
            "correlationId": "bc997528a9d7abb9161ef45f05d38599",
            "companyId": "8a210b68-6988-4001-a1eb-0242ac120001",
            "plan": "scale",
            "eventId": "event-1",
            "sourceQueue": "arn:aws:sqs:eu-west-2:123456789012:source",
            "parkedAt": "2026-02-01T12:00:00+00:00",
        },
    )


def test_there_are_no_more_attributes_than_sqs_allows(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    """SQS allows ten. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html."""
    dead_letters.park(EVENT, Outcome.PARKED_PAYMENT_REQUIRED, FAILURE)
    assert len(parked(sqs, queue_urls[Outcome.PARKED_PAYMENT_REQUIRED])[1]) <= 10


@pytest.mark.parametrize("outcome", PARKED)
def test_each_outcome_that_parks_has_its_queue(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str], outcome: Outcome
) -> None:
    dead_letters.park(EVENT, outcome, failure(outcome=outcome))
    assert {url: len(messages(sqs, url)) for url in set(queue_urls.values())} == {
        url: int(url == queue_urls[outcome]) for url in queue_urls.values()
    }


def test_an_unknown_field_of_an_event_has_no_attribute(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    dead_letters.park(ReceivedEvent(body="no JSON", source_queue="arn"), Outcome.PARKED_FAILED, failure())
    body, attributes = parked(sqs, queue_urls[Outcome.PARKED_FAILED])
    assert body == "no JSON"
    assert attributes == {
        "reason": "malformed_event",
        "words": "body: no JSON",
        "sourceQueue": "arn",
        "parkedAt": "2026-02-01T12:00:00+00:00",
    }


def test_an_empty_field_has_no_attribute_since_sqs_refuses_it(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    event = ReceivedEvent(body="x", source_queue="arn", event_id="", company_id="", plan="")
    dead_letters.park(event, Outcome.PARKED_FAILED, failure(words="", correlation_id=""))
    attributes = parked(sqs, queue_urls[Outcome.PARKED_FAILED])[1]
    assert set(attributes) == {"reason", "sourceQueue", "parkedAt"}


def test_characters_that_sqs_refuses_are_replaced_in_the_attributes(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    words = "a\x00b\x0bc\x1fd\ud800e\ufffef\uffffg"
    dead_letters.park(EVENT, Outcome.PARKED_FAILED, failure(words=words))
    assert parked(sqs, queue_urls[Outcome.PARKED_FAILED])[1]["words"] == "a�b�c�d�e�f�g"


def test_characters_that_sqs_accepts_are_kept(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    words = "tab\t line\n\r space ~ \x7f ü \u2028 \ue000 \ufffd \U00010000 \U0001f600"
    dead_letters.park(EVENT, Outcome.PARKED_FAILED, failure(words=words))
    assert parked(sqs, queue_urls[Outcome.PARKED_FAILED])[1]["words"] == words


def test_a_long_attribute_is_cut_and_the_body_is_not(
    sqs: SQSClient, dead_letters: DeadLetters, queue_urls: dict[Outcome, str]
) -> None:
    event = ReceivedEvent(body="x" * 200_000, source_queue="arn", plan="p" * 200_000)
    dead_letters.park(event, Outcome.PARKED_FAILED, failure(words="w" * 200_000))
    body, attributes = parked(sqs, queue_urls[Outcome.PARKED_FAILED])
    assert len(body) == 200_000
    assert (len(attributes["plan"]), len(attributes["words"])) == (500, 500)


def test_an_error_of_sqs_is_raised_so_that_the_event_stays_on_its_queue(sqs: SQSClient) -> None:
    gone = sqs.create_queue(QueueName="gone")["QueueUrl"]
    sqs.delete_queue(QueueUrl=gone)
    with pytest.raises(ClientError):
        DeadLetters(sqs, {Outcome.PARKED_FAILED: gone}, lambda: NOW).park(EVENT, Outcome.PARKED_FAILED, failure())
