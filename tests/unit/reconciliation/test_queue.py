"""Companies are handed over to a queue whose messages the consumer of company events reads."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from mypy_boto3_sqs import SQSClient

from codat_sync.events.company_events import Authority, CompanyEvent, read_company_reconciliation
from codat_sync.reconciliation.queue import CompanyReconciliations, CompanyRequest, NotHandedOver
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY


@pytest.fixture
def url(sqs: SQSClient) -> Iterator[str]:
    url = sqs.create_queue(QueueName="company-reconciliations")["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


def bodies(sqs: SQSClient, url: str) -> list[str]:
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [each["Body"] for each in messages]
    return found


def request(plan: str | None = None) -> CompanyRequest:
    return CompanyRequest("night/1", COMPANY, NOW, plan)


def test_a_request_is_an_event_that_the_consumer_reads() -> None:
    assert read_company_reconciliation(request().body(), now=NOW) == CompanyEvent(
        "night/1", COMPANY, NOW, Authority.ASSUMED, connected=True
    )


def test_a_plan_in_a_request_has_the_authority_of_a_tag() -> None:
    event = read_company_reconciliation(request("growth").body(), now=NOW)
    assert (event.plan, event.authority) == ("growth", Authority.TAGGED)


def test_the_source_of_a_request_is_this_stack_so_that_no_rule_matches_it() -> None:
    assert json.loads(request().body())["source"] == "codat-sync"


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_all_requests_are_on_the_queue_once_send_returns(sqs: SQSClient, url: str, count: int) -> None:
    requests = [CompanyRequest(f"night/{number}", UUID(int=number), NOW) for number in range(count)]
    CompanyReconciliations(sqs, url).send(requests)
    assert sorted(bodies(sqs, url)) == sorted(each.body() for each in requests)


class RefusingSqs:
    """An SQS that accepts all but one of a batch."""

    def __init__(self, **said: str) -> None:
        self._said = said

    def send_message_batch(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401  # As boto3's own.
        return {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False, **self._said}]}


@pytest.mark.parametrize(("said", "words"), [({"Message": "try again"}, "try again"), ({}, "InternalError")])
def test_a_request_that_sqs_refuses_is_an_error(said: dict[str, str], words: str) -> None:
    with pytest.raises(NotHandedOver, match=words):
        CompanyReconciliations(RefusingSqs(**said), "url").send([request(), request()])  # type: ignore[arg-type]  # As much of SQS as is called.
