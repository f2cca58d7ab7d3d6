"""What every test gets: no environment of the machine's, and no AWS account to reach by accident."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from local.presets import FILE

KEPT = {"HOME", "PATH", "TMPDIR", "PYTHONPATH", "LANG", "LC_ALL"}


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give each test an environment with only what a process needs, and credentials that open nothing."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("COV")}
    with mock.patch.dict(os.environ, kept, clear=True):
        os.environ.update(
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",  # noqa: S106  # Opens nothing.
            AWS_DEFAULT_REGION="eu-west-2",
            AWS_EC2_METADATA_DISABLED="true",
            POWERTOOLS_METRICS_NAMESPACE="codat-sync",
            POWERTOOLS_SERVICE_NAME="tests",
        )
        yield


@pytest.fixture(autouse=True)
def presets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the packaged presets by the tests' own: the packaged file belongs to the deployer.

    Only what is marked with ``packaged_presets`` reads the packaged file, and has to hold for any that is valid.
    """
    if request.node.get_closest_marker("packaged_presets") is None:
        monkeypatch.setattr("codat_sync.presets.file.files", lambda _: FILE.parent)
