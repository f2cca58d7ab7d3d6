"""The functions run with the presets of the benchmark, whatever the package holds."""

import os

import pytest

from codat_sync.presets.file import Presets
from local.bench.functions import functions
from local.bench.population import Population
from local.presets import local_presets

OTHER_TEAMS = Presets.parse(b'default_plan = "pro"\non_cancelled = "pro"\n[plans.pro]\nfrequency = "daily"\n')


def test_the_packaged_presets_are_replaced_while_the_functions_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presets, "packaged", lambda: OTHER_TEAMS)
    with functions(Population(1), {}):
        assert Presets.packaged() is local_presets()
    assert Presets.packaged() is OTHER_TEAMS


def test_only_the_environment_that_is_given_reaches_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODAT_BASE_URL", "https://api.codat.io")
    with functions(Population(1), {"COMPANY_PLANS_TABLE_NAME": "company-plans"}):
        assert "CODAT_BASE_URL" not in os.environ
        assert os.environ["COMPANY_PLANS_TABLE_NAME"] == "company-plans"
