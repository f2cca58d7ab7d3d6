"""AWS in Moto for the unit tests: started anew for each module, with clients that its tests share."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_secretsmanager import SecretsManagerClient
from mypy_boto3_sqs import SQSClient

from tests.fakes.aws import botocore_data_read_once, create_company_plans_table

TABLE = "company-plans"


@pytest.fixture(scope="session", autouse=True)
def botocore_data() -> Iterator[None]:
    with botocore_data_read_once():
        yield


@pytest.fixture(scope="module")
def moto() -> Iterator[boto3.session.Session]:
    with mock_aws():
        yield boto3.session.Session("testing", "testing", region_name="eu-west-2")


@pytest.fixture(scope="module")
def dynamodb(moto: boto3.session.Session) -> DynamoDBClient:
    return moto.client("dynamodb")


@pytest.fixture(scope="module")
def sqs(moto: boto3.session.Session) -> SQSClient:
    return moto.client("sqs")


@pytest.fixture(scope="module")
def secrets_manager(moto: boto3.session.Session) -> SecretsManagerClient:
    return moto.client("secretsmanager")


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> Iterator[str]:
    """Create the companies' table. Return its name; a test may delete it."""
    create_company_plans_table(dynamodb, TABLE)
    yield TABLE
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)
