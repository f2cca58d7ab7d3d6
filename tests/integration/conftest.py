"""What all integration tests share: AWS's clients, and botocore's data, which takes longer to parse than most tests."""

from collections.abc import Iterator

import pytest

from tests.fakes.aws import botocore_data_read_once
from tests.integration.surroundings import Clients


@pytest.fixture(scope="session", autouse=True)
def botocore_data() -> Iterator[None]:
    with botocore_data_read_once():
        yield


@pytest.fixture(scope="session")
def clients(botocore_data: None) -> Clients:  # noqa: ARG001  # It must be in place before.
    return Clients.of_moto()
