"""Codat's settings are read, and unknown parts of them survive the round trip."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from codat_sync.codat.models import (
    DATA_TYPES,
    REPORT_DATA_TYPES,
    Company,
    Connection,
    Dialect,
    Frequency,
    Page,
    SyncSchedule,
    SyncSetting,
    SyncSettings,
)
from tests.unit.json_strategies import JSON, answers

ID = "8a210b68-6988-4001-a1eb-0242ac120001"


def canonical(value: object) -> str:
    """JSON in which true and 1, or 1 and 1.0, are not the same."""
    return json.dumps(value, sort_keys=True)


def read_setting(**fields: Any) -> SyncSetting:  # noqa: ANN401
    return SyncSetting.model_validate_json(json.dumps({"dataType": "invoices", **fields}))


def on_the_wire(setting: SyncSetting, dialect: Dialect) -> dict[str, Any]:
    (fields,) = SyncSettings(settings=(setting,)).on_the_wire(dialect)
    return fields


def read_settings(answer: object) -> SyncSettings:
    return SyncSettings.model_validate_json(json.dumps(answer))


def test_the_data_types_are_the_43_that_codat_documents() -> None:
    assert len(DATA_TYPES) == 43
    assert REPORT_DATA_TYPES < DATA_TYPES


@pytest.mark.parametrize(("frequency", "hours"), [("off", 0), ("hourly", 1), ("daily", 24), ("weekly", 168)])
def test_a_frequency_is_a_word_and_a_number_of_hours(frequency: str, hours: int) -> None:
    assert str(Frequency(hours)) == frequency


@pytest.mark.parametrize("frequency", Frequency)
def test_both_dialects_are_read_as_one_schedule(frequency: Frequency) -> None:
    hours = read_setting(syncSchedule=int(frequency)).sync_schedule
    spelt = read_setting(syncSchedule={"intervalHours": int(frequency), "hourOfDay": 2}).sync_schedule
    assert hours == SyncSchedule(interval_hours=frequency)
    assert spelt == SyncSchedule(interval_hours=frequency, hour_of_day=2)


@pytest.mark.parametrize("frequency", Frequency)
def test_a_schedule_is_written_in_either_dialect(frequency: Frequency) -> None:
    schedule = SyncSchedule(interval_hours=frequency, hour_of_day=2)
    setting = SyncSetting(data_type="invoices", sync_schedule=schedule)
    assert on_the_wire(setting, Dialect.OBJECT)["syncSchedule"] == {"intervalHours": int(frequency), "hourOfDay": 2}
    assert canonical(on_the_wire(setting, Dialect.HOURS)["syncSchedule"]) == str(int(frequency))


def test_the_hours_form_has_the_sync_order_that_it_requires() -> None:
    setting = SyncSetting(data_type="invoices", sync_schedule=SyncSchedule(interval_hours=Frequency.DAILY))
    assert on_the_wire(setting, Dialect.HOURS) == {"dataType": "invoices", "syncSchedule": 24, "syncOrder": 0}
    assert "syncOrder" not in on_the_wire(setting, Dialect.OBJECT)


def test_codats_sync_order_is_kept() -> None:
    assert on_the_wire(read_setting(syncSchedule=24, syncOrder=7), Dialect.HOURS)["syncOrder"] == 7


@pytest.mark.parametrize(
    "schedule",
    [
        *(6, 12, 48, -5, 24.0, True, "24", "daily", None, [], [24], {}, {"cron": "0 2 * * *"}),
        *({"intervalHours": interval, "hourOfDay": 2} for interval in (6, -5, 24.0, True, "24", None)),
        *({"intervalHours": 24, "hourOfDay": hour} for hour in (24, -1, 2.0, True, "2")),
    ],
    ids=repr,
)
def test_an_undocumented_schedule_is_written_back_unchanged(schedule: object) -> None:
    setting = read_setting(syncSchedule=schedule)
    assert not isinstance(setting.sync_schedule, SyncSchedule)
    assert canonical(on_the_wire(setting, Dialect.OBJECT)["syncSchedule"]) == canonical(schedule)


def test_a_missing_schedule_is_not_added() -> None:
    assert on_the_wire(read_setting(), Dialect.OBJECT) == {"dataType": "invoices"}


@pytest.mark.parametrize("schedule", [{"intervalHours": 1}, {"intervalHours": 24, "hourOfDay": None}], ids=repr)
def test_a_missing_hour_of_day_is_not_added(schedule: object) -> None:
    assert on_the_wire(read_setting(syncSchedule=schedule), Dialect.OBJECT)["syncSchedule"] == schedule


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (SyncSchedule(interval_hours=Frequency.DAILY, hour_of_day=2), "daily at 02:00"),
        (SyncSchedule(interval_hours=Frequency.WEEKLY), "weekly"),
        (SyncSchedule(interval_hours=Frequency.HOURLY, hour_of_day=2), "hourly"),
        (SyncSchedule(interval_hours=Frequency.OFF), "off"),
    ],
)
def test_a_schedule_is_shown_in_words(schedule: SyncSchedule, text: str) -> None:
    assert str(schedule) == text


@pytest.mark.parametrize(
    ("schedules", "dialect"),
    [
        ([24], Dialect.HOURS),
        ([0], Dialect.HOURS),
        ([6], Dialect.HOURS),
        ([{"intervalHours": 24, "hourOfDay": 2}], Dialect.OBJECT),
        ([{"intervalHours": 6}], Dialect.OBJECT),
        ([None, 24], Dialect.HOURS),
        ([None, {"intervalHours": 24}], Dialect.OBJECT),
        ([None, None], None),
        ([True, "24"], None),
        ([], None),
    ],
    ids=repr,
)
def test_the_dialect_is_that_of_the_answer(schedules: list[object], dialect: Dialect | None) -> None:
    listed = [{"dataType": f"type{number}", "syncSchedule": each} for number, each in enumerate(schedules)]
    assert read_settings({"settings": listed}).dialect is dialect


@pytest.mark.parametrize("answer", [{}, {"settings": None, "overridesDefaults": None}, {"settings": []}], ids=repr)
def test_every_field_of_an_answer_is_optional(answer: object) -> None:
    assert read_settings(answer) == SyncSettings()


@pytest.mark.parametrize(
    "answer",
    [
        *([], None, "x", 5, {"overridesDefaults": []}),
        *({"settings": "x"}, {"settings": 5}, {"settings": True}, {"settings": 1.5}, {"settings": {"a": 1}}),
        *({"settings": [5]}, {"settings": [{}]}, {"settings": [{"dataType": None}]}),
    ],
    ids=repr,
)
def test_json_of_another_shape_is_a_validation_error(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_settings(answer)


def test_an_unknown_field_named_dialect_is_ignored() -> None:
    assert (
        read_settings({"settings": [{"dataType": "x", "syncSchedule": 24}], "dialect": "en"}).dialect is Dialect.HOURS
    )


@pytest.mark.parametrize("dialect", Dialect)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_settings_survive_the_round_trip(dialect: Dialect, data: st.DataObject) -> None:
    answer = data.draw(answers(dialect))
    read = read_settings(answer)
    assert canonical(read.on_the_wire(dialect)) == canonical(answer["settings"])
    assert read.overrides_defaults == answer["overridesDefaults"]


@settings(deadline=None, max_examples=60)
@given(schedule=JSON)
def test_any_json_is_read_as_a_schedule(schedule: object) -> None:
    setting = read_setting(syncSchedule=schedule)
    if not isinstance(setting.sync_schedule, SyncSchedule):
        assert canonical(on_the_wire(setting, Dialect.OBJECT)["syncSchedule"]) == canonical(schedule)


@settings(deadline=None, max_examples=60)
@given(answer=JSON | st.fixed_dictionaries({"settings": st.lists(JSON, max_size=3)}))
def test_any_json_is_read_as_an_answer_or_is_a_validation_error(answer: Any) -> None:  # noqa: ANN401
    try:
        read_settings(answer)
    except ValidationError:
        return
    assert isinstance(answer, dict)


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        SyncSettings().overrides_defaults = True  # type: ignore[misc]  # That is the claim.


def test_a_company_has_its_tags_and_products() -> None:
    fields = {
        "id": ID,
        "name": "Toft Stores",
        "redirect": "https://link.codat.io/company/x",
        "created": "2026-01-12T12:00:00.1Z",
        "lastSync": "2026-01-13T12:00:00Z",
        "tags": {"plan": "growth"},
        "products": ["expenses"],
        "newField": {"any": 1},
    }
    company = Company.model_validate_json(json.dumps(fields))
    assert company.id == UUID(ID)
    assert company.tags == {"plan": "growth"}
    assert company.products == ("expenses",)
    assert company.last_sync == "2026-01-13T12:00:00Z"
    assert company.model_dump(mode="json", by_alias=True, exclude_unset=True) == fields


def test_a_company_may_have_neither_tags_nor_products() -> None:
    company = Company.model_validate_json(json.dumps({"id": ID, "name": "x"}))
    assert (company.tags, company.products) == ({}, ())


def test_products_may_be_null() -> None:
    assert Company.model_validate_json(json.dumps({"id": ID, "products": None})).products == ()


@pytest.mark.parametrize("unknown", ["_dialect", "model_config", "settings_"])
def test_an_unknown_field_is_ignored_whatever_its_name(unknown: str) -> None:
    assert read_settings({"settings": [{"dataType": "x", "syncSchedule": 24}], unknown: "x"}).dialect is Dialect.HOURS


def test_merged_settings_keep_the_dialect() -> None:
    read = read_settings({"settings": [{"dataType": "x", "syncSchedule": 24}]})
    assert read.model_copy(update={"overrides_defaults": True}).dialect is Dialect.HOURS
    assert SyncSettings.model_validate(read).dialect is Dialect.HOURS


def test_tags_may_be_null() -> None:
    assert Company.model_validate_json(json.dumps({"id": ID, "tags": None})).tags == {}


def test_a_connection_is_read() -> None:
    fields = {
        "id": "ee2eb431-c0fa-4dc9-93fa-d29781c10009",
        "integrationKey": "gbol",
        "platformName": "Xero",
        "status": "Linked",
        "sourceType": "Accounting",
        "lastSync": None,
        "connectionInfo": {"any": "thing"},
    }
    connection = Connection.model_validate_json(json.dumps(fields))
    assert (connection.platform_name, connection.status) == ("Xero", "Linked")
    assert (connection.integration_key, connection.source_type) == ("gbol", "Accounting")


@pytest.mark.parametrize(
    ("page", "has_next"),
    [
        ({"results": [{"id": ID}], "_links": {"next": {"href": "/companies?page=2"}}}, True),
        ({"results": [{"id": ID}], "_links": {"next": None}}, False),
        ({"results": [{"id": ID}], "_links": {"self": {"href": "/companies"}}}, False),
        ({"results": [{"id": ID}]}, False),
        ({"results": [], "_links": {"next": {"href": "/companies?page=2"}}}, False),
        ({}, False),
    ],
    ids=repr,
)
def test_a_list_continues_where_a_page_links_to_the_next(page: object, has_next: bool) -> None:  # noqa: FBT001
    assert Page[Company].model_validate_json(json.dumps(page)).has_next is has_next
