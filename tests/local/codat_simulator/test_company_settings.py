"""The settings of simulated companies are those of the client's own models."""

from uuid import UUID

from codat_sync.codat.models import DATA_TYPES, Dialect, Frequency, SyncSettings
from local.codat_simulator.account import Account
from local.codat_simulator.company_settings import settings_at, settings_with
from local.presets import local_presets
from tests.local.codat_simulator.client import COMPANY, Codat, in_hours


def test_a_company_at_a_preset_differs_from_it_in_nothing(codat: Codat, account: Account) -> None:
    account.flags.dialect = "object"
    settings = settings_at(local_presets(), "growth", UUID(COMPANY), Dialect.OBJECT)
    assert settings is not None
    account.companies[COMPANY].override = account.parsed(settings)
    shown = SyncSettings.model_validate(codat("GET", f"/companies/{COMPANY}/syncSettings").json())
    assert {setting.data_type for setting in shown.settings} == DATA_TYPES
    preset = local_presets().for_company("growth", UUID(COMPANY))
    assert preset.over(shown).settings == shown.settings


def test_a_company_without_a_plan_has_no_settings_of_its_own() -> None:
    assert settings_at(local_presets(), None, UUID(COMPANY), Dialect.HOURS) is None


def test_a_change_in_the_portal_leaves_the_other_data_types_as_they_are(codat: Codat) -> None:
    codat.set(in_hours("invoices", 24), in_hours("bills", 24))
    shown = SyncSettings.model_validate(codat("GET", f"/companies/{COMPANY}/syncSettings").json())
    changed = settings_with(shown, {"invoices": Frequency.OFF}, Dialect.HOURS)
    codat.set(*changed)  # type: ignore[arg-type]  # JSON objects.
    assert {name: each["syncSchedule"] for name, each in codat.settings().items()} == {"invoices": 0, "bills": 24}
