"""The locks pin what runs: everywhere by hash, and nothing more than is needed where a function could see it."""

import re
from pathlib import Path

import pytest

DEV = Path("requirements-dev.txt")
LAYER = Path("shared/requirements.txt")
RUNTIME = Path("local/requirements-runtime.txt")
MINISTACK = Path("local/requirements-ministack.txt")

BOTO3 = {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}
"""boto3 and what it needs: what the Lambda runtime gives to a function."""


def pins(lock: Path) -> dict[str, str]:
    """Return the version of each package."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", [DEV, LAYER, RUNTIME, MINISTACK], ids=str)
def test_every_package_is_pinned_with_its_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    packages = [line for line in text.splitlines() if not line.startswith(" ")]

    assert {package.partition("==")[0] for package in packages} == pins(lock).keys()
    assert len(re.findall(r"==[^\n]+ \\\n    --hash=sha256:", text)) == len(packages) > 0
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_the_layer_leaves_boto3_to_the_runtime() -> None:
    assert not pins(LAYER).keys() & {"boto3", "botocore", "s3transfer"}


def test_the_layer_carries_the_versions_that_the_tests_ran_with() -> None:
    tested = pins(DEV)

    assert {package: tested[package] for package in pins(LAYER)} == pins(LAYER)


def test_the_local_runtime_holds_boto3_and_nothing_else() -> None:
    """A function that imports what the layer lacks has to fail here as it would on Lambda."""
    assert pins(RUNTIME).keys() == BOTO3


def test_ministack_shares_its_process_with_the_runtimes_boto3() -> None:
    emulator = pins(MINISTACK)

    assert {package: emulator[package] for package in BOTO3} == pins(RUNTIME)
