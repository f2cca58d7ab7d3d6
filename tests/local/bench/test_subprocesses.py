"""A service in a process of its own cannot end unnoticed."""

import pytest

from local.aws.processes import StackError
from local.bench.codat import codat
from local.bench.subprocesses import subprocess_of


def test_a_process_that_ends_raises_an_error_and_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    with subprocess_of(codat, "no population", "key") as service, pytest.raises(StackError, match="codat ended"):
        service.wait_until_ready()
    assert "Traceback" in capfd.readouterr().err
