"""A table in Moto, in this process."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from local.aws.clients import REGION
from local.bench.aws import create_table
from local.bench.population import Population


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Population]:
    """Set up a table with 230 companies of the benchmark, in Moto."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        population = Population(230)
        create_table(population, boto3.client("dynamodb"))
        yield population
