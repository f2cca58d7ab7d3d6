"""Codat accepts the Base64 of the API key, and nothing else."""

import base64

import pytest

from local.codat_simulator.account import Account
from local.codat_simulator.running import RunningSimulator
from tests.local.codat_simulator.client import Codat, assert_refused


@pytest.mark.parametrize("suffix", ["", ":"], ids=["the key alone", "with a colon"])
def test_the_base64_of_the_key_is_accepted(codat: Codat, simulator: RunningSimulator, suffix: str) -> None:
    encoded = base64.b64encode(f"{simulator.api_key}{suffix}".encode()).decode()
    assert codat("GET", "/companies", Authorization=f"Basic {encoded}").status_code == 200


@pytest.mark.parametrize("header", ["", "Basic", "Basic d3Jvbmc=", "Bearer simulated-codat-api-key"])
def test_any_other_credentials_are_401(codat: Codat, header: str) -> None:
    assert_refused(codat("GET", "/companies", Authorization=header), 401, "Unauthorized")


def test_a_key_that_is_not_encoded_is_401(codat: Codat, simulator: RunningSimulator) -> None:
    assert codat("GET", "/companies", Authorization=f"Basic {simulator.api_key}").status_code == 401


def test_a_new_key_replaces_the_old_one(codat: Codat, account: Account) -> None:
    old = "Basic " + base64.b64encode(account.flags.api_key.encode()).decode()
    account.flags.api_key = "rotated"
    assert codat("GET", "/companies").status_code == 200
    assert codat("GET", "/companies", Authorization=old).status_code == 401
