"""The clients of a function give up in seconds, and start no call that would outlast the function."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.aws.clients import ENDING_SECONDS, TIMEOUTS, AwsClients, Timeouts
from codat_sync.aws.errors import CallNotStarted, trouble_of_aws
from tests.fakes.lambda_ import FakeContext


@pytest.fixture
def clients() -> Iterator[AwsClients]:
    with mock_aws():
        yield AwsClients()


def look(dynamodb: DynamoDBClient) -> None:
    """Make a call, to which Moto answers that there is no such table."""
    dynamodb.get_item(TableName="none", Key={"companyId": {"S": "x"}})


@pytest.mark.parametrize("service", ["appconfigdata", "dynamodb", "events", "secretsmanager", "sqs"])
def test_a_client_gives_up_early(clients: AwsClients, service: Any) -> None:  # noqa: ANN401  # For all overloads.
    config = clients.make(service).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries == {"total_max_attempts": 2, "mode": "standard"}


def test_the_slowest_call_has_each_attempt_at_its_slowest_and_the_pause_between() -> None:
    assert Timeouts().slowest_seconds == 7
    assert Timeouts(attempts=1).slowest_seconds == 3


def test_a_call_that_ends_before_the_function_is_made(clients: AwsClients) -> None:
    clients.end_with(FakeContext(TIMEOUTS.slowest_seconds + ENDING_SECONDS))
    with pytest.raises(ClientError, match="ResourceNotFound"):
        look(clients.make("dynamodb"))


def test_a_call_that_might_outlast_the_function_is_not_made(clients: AwsClients) -> None:
    dynamodb = clients.make("dynamodb")
    clients.end_with(FakeContext(TIMEOUTS.slowest_seconds + ENDING_SECONDS - 0.01))
    with pytest.raises(CallNotStarted, match="does not allow DynamoDB GetItem"):
        look(dynamodb)
    assert issubclass(CallNotStarted, BotoCoreError)


def test_a_client_with_timeouts_of_its_own_needs_no_more_than_these(clients: AwsClients) -> None:
    quick = clients.make("dynamodb", Timeouts(connect_seconds=0.5, read_seconds=0.5, attempts=1))
    clients.end_with(FakeContext(1 + ENDING_SECONDS))
    with pytest.raises(ClientError):
        look(quick)


def test_before_its_first_invocation_a_client_knows_no_deadline(clients: AwsClients) -> None:
    with pytest.raises(ClientError):
        look(clients.make("dynamodb"))


def test_an_invocation_ends_the_deadline_of_the_one_before(clients: AwsClients) -> None:
    dynamodb = clients.make("dynamodb")
    clients.end_with(FakeContext(0.0))
    clients.end_with(FakeContext(60.0))
    with pytest.raises(ClientError):
        look(dynamodb)


def test_an_error_names_its_service(clients: AwsClients) -> None:
    with pytest.raises(ClientError) as raised:
        look(clients.make("dynamodb"))
    assert str(trouble_of_aws(raised.value)).startswith("DynamoDB GetItem: ResourceNotFoundException: ")
