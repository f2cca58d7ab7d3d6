"""Claims that hold for any valid presets file: the packaged one, another team's, and files made at random.

The packaged file belongs to the team that deploys. A test may read it only if its claim holds for every valid file.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from unicodedata import normalize
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.differences import differences
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule, SyncSettings
from codat_sync.presets.file import Presets, packaged_file, validate
from codat_sync.presets.preset import CompanyPreset, PresetSetting, UnknownPlan
from ops.presets_check import check
from ops.preview import describe
from tests.strategies.presets_files import PresetsFile, presets_files
from tests.unit.json_strategies import answers

ANOTHER_TEAM = Path(__file__).parents[2] / "presets" / "another_team.toml"

COMPANIES = st.uuids()
SHOWN = st.sampled_from(Dialect).flatmap(answers).map(SyncSettings.model_validate)


def plans_and_companies(presets: Presets, data: st.DataObject) -> list[CompanyPreset]:
    """Return each plan's preset for a company."""
    company = data.draw(COMPANIES, label="company")
    return [presets.for_company(plan, company) for plan in presets.plans]


def is_hourly(setting: PresetSetting) -> bool:
    return setting.schedule is not None and setting.schedule.interval_hours is Frequency.HOURLY


def asked(preset: CompanyPreset) -> list[PresetSetting]:
    return [preset.default, *preset.exceptions.values()]


# --- The claims -----------------------------------------------------------------------------------------------------


def a_company_without_a_plan_and_a_cancelled_one_have_a_preset(content: bytes, data: st.DataObject) -> None:
    presets, company = Presets.parse(content), data.draw(COMPANIES)
    for plan in (presets.default_plan, presets.on_cancelled):
        assert presets.for_company(plan, company).plan == plan


def a_merged_preset_is_in_force(content: bytes, data: st.DataObject) -> None:
    """Merge twice, also after the settings went through either dialect: the second time nothing differs."""
    for preset in plans_and_companies(Presets.parse(content), data):
        written = preset.over(data.draw(SHOWN, label="settings at Codat"))
        assert differences(written, preset.over(written)) == ()
        for dialect in Dialect:
            on_the_wire = {
                "settings": written.on_the_wire(dialect),
                "overridesDefaults": written.overrides_defaults,
            }
            seen = SyncSettings.model_validate(on_the_wire)
            assert differences(seen, preset.over(seen)) == ()


def a_merge_drops_no_data_type_and_changes_no_locked_one(content: bytes, data: st.DataObject) -> None:
    for preset in plans_and_companies(Presets.parse(content), data):
        current = data.draw(SHOWN, label="settings at Codat")
        merged = preset.over(current).settings
        assert [each.data_type for each in merged[: len(current.settings)]] == [
            each.data_type for each in current.settings
        ]
        for before, after in zip(current.settings, merged, strict=False):
            assert after == before or not before.is_locked


def a_degraded_preset_is_never_hourly(content: bytes, data: st.DataObject) -> None:
    for preset in plans_and_companies(Presets.parse(content), data):
        degraded = preset.degraded()
        if degraded is None:
            assert preset.fallback is None
        else:
            assert not [each for each in asked(degraded) if is_hourly(each)]
            assert degraded.degraded() == degraded


def something_stays_on_unless_the_plan_insists(content: bytes, data: st.DataObject) -> None:
    """Take a company for which Codat shows nothing yet, with and without hourly in the account."""
    presets = Presets.parse(content)
    for preset in plans_and_companies(presets, data):
        for either in (preset, preset.degraded()):
            if either is None or either.use_account_defaults or presets.plans[preset.plan].allow_all_off:
                continue
            schedules = [each.sync_schedule for each in either.over(SyncSettings()).settings]
            assert [
                each
                for each in schedules
                if not isinstance(each, SyncSchedule) or each.interval_hours is not Frequency.OFF
            ]


def fingerprints_are_equal_where_settings_are(content: bytes, data: st.DataObject) -> None:
    """Compare every two presets of the file, and each with itself, read again."""
    company, other = data.draw(COMPANIES), data.draw(COMPANIES)
    presets, again = Presets.parse(content), Presets.parse(content)
    for plan in presets.plans:
        assert presets.for_company(plan, company).fingerprint == again.for_company(plan, company).fingerprint
    all_presets = [presets.for_company(plan, each) for plan in presets.plans for each in (company, other)]
    for one, two in combinations(all_presets, 2):
        assert (one.fingerprint == two.fingerprint) == (at_codat(one) == at_codat(two))


def at_codat(preset: CompanyPreset) -> object:
    """Return what a preset asks of Codat, without the hour that only a fallback would use."""
    return (
        preset.use_account_defaults,
        preset.allow_history_narrowing,
        replace(preset.default, hour_of_day=0),
        {name: replace(setting, hour_of_day=0) for name, setting in preset.exceptions.items()},
    )


def an_unknown_plan_is_answered_with_a_name_of_the_file(content: bytes, data: st.DataObject) -> None:
    presets = Presets.parse(content)
    some = data.draw(st.sampled_from(sorted(presets.plans)))
    near = data.draw(st.sampled_from([some.swapcase(), some[1:], some * 2, f"{some}x"]) | st.text(max_size=64))
    if presets.knows(near):
        return
    with pytest.raises(UnknownPlan) as raised:
        presets.for_company(near, UUID(int=0))
    words = str(raised.value)
    assert words.startswith("unknown plan ")
    assert "presets know " in words
    assert words.isprintable()
    assert len(words) < 1200


def a_name_in_another_unicode_form_is_the_same_plan(content: bytes, data: st.DataObject) -> None:
    presets, company = Presets.parse(content), data.draw(COMPANIES)
    for plan in presets.plans:
        assert presets.for_company(normalize("NFD", plan), company) == presets.for_company(plan, company)


def each_plan_can_be_put_into_words(content: bytes, _data: st.DataObject) -> None:
    presets = Presets.parse(content)
    for plan in presets.plans:
        words = describe(presets, plan)
        assert words.use_account_defaults or all(words.data_types)
        assert bool(words.data_types) != words.use_account_defaults


def the_file_may_go_live_in_its_own_place(content: bytes, _data: st.DataObject) -> None:
    validate(content, Presets.parse(content))


CLAIMS: list[Callable[[bytes, st.DataObject], None]] = [
    a_company_without_a_plan_and_a_cancelled_one_have_a_preset,
    a_merged_preset_is_in_force,
    a_merge_drops_no_data_type_and_changes_no_locked_one,
    a_degraded_preset_is_never_hourly,
    something_stays_on_unless_the_plan_insists,
    fingerprints_are_equal_where_settings_are,
    an_unknown_plan_is_answered_with_a_name_of_the_file,
    a_name_in_another_unicode_form_is_the_same_plan,
    each_plan_can_be_put_into_words,
    the_file_may_go_live_in_its_own_place,
]
EACH_CLAIM = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)


# --- The files ------------------------------------------------------------------------------------------------------


@pytest.mark.packaged_presets
@EACH_CLAIM
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_of_the_packaged_file(claim: Callable[[bytes, st.DataObject], None], data: st.DataObject) -> None:
    claim(packaged_file(), data)


@EACH_CLAIM
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_of_another_teams_file(claim: Callable[[bytes, st.DataObject], None], data: st.DataObject) -> None:
    claim(ANOTHER_TEAM.read_bytes(), data)


@EACH_CLAIM
@settings(deadline=None, max_examples=30)
@given(file=presets_files(), data=st.data())
def test_of_any_file(claim: Callable[[bytes, st.DataObject], None], file: PresetsFile, data: st.DataObject) -> None:
    claim(file.content, data)


@settings(deadline=None, max_examples=30)
@given(file=presets_files())
def test_any_file_has_the_plans_that_it_names(file: PresetsFile) -> None:
    assert list(Presets.parse(file.content).plans) == [normalize("NFC", plan) for plan in file.plans]


@settings(deadline=None, max_examples=30)
@given(file=presets_files())
def test_any_file_passes_the_check(file: PresetsFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(file.content)
    assert check(path) == []


@pytest.mark.packaged_presets
def test_the_packaged_file_and_another_teams_pass_the_check(tmp_path: Path) -> None:
    path = tmp_path / "packaged.toml"
    path.write_bytes(packaged_file())
    assert [check(path), check(ANOTHER_TEAM)] == [[], []]
