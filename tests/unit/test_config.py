"""A function is configured by its environment, and an error names every variable that cannot be used."""

import os
import traceback

import pytest
from pydantic import ValidationError

from codat_sync.codat.models import Dialect
from codat_sync.config import Config, InvalidConfig, ReconciliationConfig, RedriveConfig

ENVIRONMENT = {
    "CODAT_BASE_URL": "https://api.codat.io",
    "CODAT_API_KEY_SECRET_NAME": "codat/api-key",
    "COMPANY_PLANS_TABLE_NAME": "company-plans",
    "EVENT_BUS_NAME": "events",
    "FAILED_EVENTS_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/failed",
    "PAYMENT_REQUIRED_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/payment",
    "POWERTOOLS_METRICS_NAMESPACE": "codat-sync",
    "SOURCE_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/123456789012/source",
}


def config(**changes: str) -> Config:
    return Config.from_env({**ENVIRONMENT, **changes})


def problem(**changes: str) -> str:
    with pytest.raises(InvalidConfig) as raised:
        config(**changes)
    return str(raised.value)


def test_the_environment_is_read_and_other_variables_are_ignored() -> None:
    read = config(PATH="/bin", AWS_REGION="eu-west-2")
    assert read.codat_base_url == "https://api.codat.io"
    assert read.codat_api_key_secret_name == "codat/api-key"  # noqa: S105  # A name.
    assert read.company_plans_table_name == "company-plans"
    assert read.failed_events_queue_url.endswith("/failed")
    assert read.payment_required_queue_url.endswith("/payment")
    assert read.source_queue_url.endswith("/source")


def test_an_optional_variable_has_a_default() -> None:
    read = config()
    assert (read.codat_sync_schedule_format, read.company_plan_tag) == ("auto", "plan")
    assert (read.max_concurrent_companies, read.patience_hours, read.first_deferral_seconds) == (4, 96, 60)
    assert read.presets_profile == ""


def test_the_environment_of_the_process_is_read_like_any_mapping() -> None:
    os.environ.update(ENVIRONMENT)
    assert Config.from_env(os.environ) == config()


@pytest.mark.parametrize(("word", "dialect"), [("auto", None), ("object", Dialect.OBJECT), ("hours", Dialect.HOURS)])
def test_the_format_of_a_schedule_is_a_dialect_or_that_of_codats_answers(word: str, dialect: Dialect | None) -> None:
    assert config(CODAT_SYNC_SCHEDULE_FORMAT=word).dialect is dialect


@pytest.mark.parametrize("url", ["https://api.codat.io/", "http://127.0.0.1:8080", "http://localhost:1/"])
def test_a_base_url_is_a_scheme_and_a_host(url: str) -> None:
    assert config(CODAT_BASE_URL=url).codat_base_url == url


@pytest.mark.parametrize("profile", ["", "abc1234/live/def5678", "codat sync/live/the presets"])
def test_a_presets_profile_has_its_application_and_environment_or_is_empty(profile: str) -> None:
    assert config(PRESETS_PROFILE=f" {profile}\n").presets_profile == profile


@pytest.mark.parametrize("number", ["1", "10"])
def test_one_to_ten_companies_may_be_converged_side_by_side(number: str) -> None:
    assert config(MAX_CONCURRENT_COMPANIES=number).max_concurrent_companies == int(number)


@pytest.mark.parametrize("name", ["CODAT_API_KEY_SECRET_NAME", "COMPANY_PLAN_TAG", "SOURCE_QUEUE_URL"])
def test_white_space_around_a_value_is_ignored(name: str) -> None:
    assert getattr(config(**{name: " x\n"}), name.lower()) == "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in [*ENVIRONMENT, "COMPANY_PLAN_TAG"]),
        *((name, "  ") for name in ENVIRONMENT),
        ("CODAT_BASE_URL", "api.codat.io"),
        ("CODAT_BASE_URL", "ftp://api.codat.io"),
        ("CODAT_BASE_URL", "https://api.codat.io/v1"),
        ("CODAT_BASE_URL", "https://api.codat.io?x=1"),
        ("CODAT_BASE_URL", "https://api.codat.io#x"),
        ("CODAT_BASE_URL", "https://"),
        ("CODAT_SYNC_SCHEDULE_FORMAT", ""),
        ("CODAT_SYNC_SCHEDULE_FORMAT", "Object"),
        ("CODAT_SYNC_SCHEDULE_FORMAT", "int"),
        ("MAX_CONCURRENT_COMPANIES", "0"),
        ("MAX_CONCURRENT_COMPANIES", "11"),
        ("MAX_CONCURRENT_COMPANIES", "many"),
        ("MAX_CONCURRENT_COMPANIES", "2.5"),
        ("MAX_CONCURRENT_COMPANIES", ""),
        ("DETAILED_METRICS", "yes"),
        ("FIRST_DEFERRAL_SECONDS", "0"),
        ("FIRST_DEFERRAL_SECONDS", "901"),
        ("PATIENCE_HOURS", "0"),
        ("PATIENCE_HOURS", "169"),
        ("PRESETS_PROFILE", "presets"),
        ("PRESETS_PROFILE", "live/presets"),
        ("PRESETS_PROFILE", "codat-sync//presets"),
        ("PRESETS_PROFILE", "codat-sync/live/presets/1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str) -> None:
    assert problem(**{name: value}).startswith(f"environment variables: {name} (")


@pytest.mark.parametrize("url", ["https://api.codat.io\n", "https://api.codat.io ", "https://api codat.io"])
def test_a_base_url_with_white_space_is_an_error_or_is_stripped(url: str) -> None:
    try:
        assert config(CODAT_BASE_URL=url).codat_base_url == "https://api.codat.io"
    except InvalidConfig as error:
        assert "CODAT_BASE_URL" in str(error)  # noqa: PT017  # Either is right.


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(InvalidConfig) as raised:
        Config.from_env({})
    assert all(f"{name} (Field required)" in str(raised.value) for name in ENVIRONMENT)


def test_the_name_of_a_variable_is_in_upper_case() -> None:
    with pytest.raises(InvalidConfig):
        Config.from_env({name.lower(): value for name, value in ENVIRONMENT.items()})


def test_no_value_is_repeated_in_the_error() -> None:
    assert "hush" not in problem(
        CODAT_BASE_URL="hush", MAX_CONCURRENT_COMPANIES="hush", CODAT_SYNC_SCHEDULE_FORMAT="hush"
    )


@pytest.mark.parametrize(
    "environment",
    [{**ENVIRONMENT, "CODAT_BASE_URL": "hush"}, {"CODAT_BASE_URL": "hush"}, {"AWS_SECRET_ACCESS_KEY": "hush"}],
    ids=["one is wrong", "others are missing", "all are missing"],
)
def test_no_value_is_repeated_in_the_traceback_that_lambda_logs(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig) as raised:
        Config.from_env(environment)
    assert "hush" not in "".join(traceback.format_exception(raised.value))


def test_a_config_is_immutable() -> None:
    with pytest.raises(ValidationError):
        config().company_plan_tag = "other"  # type: ignore[misc]  # The assignment is what must fail.


# --- The duties -----------------------------------------------------------------------------------------------------

COMPANIES_QUEUE = "https://sqs.eu-west-2.amazonaws.com/123456789012/company-reconciliations"


def test_a_reconciliation_has_its_queue_a_pace_and_a_share_of_the_quota() -> None:
    read = ReconciliationConfig.from_env({**ENVIRONMENT, "RECONCILE_COMPANY_QUEUE_URL": COMPANIES_QUEUE})
    assert read.reconcile_company_queue_url == COMPANIES_QUEUE
    assert (read.reconcile_calls_per_minute, read.reconcile_quota_share) == (300, 50)


def test_a_redrive_has_a_pace() -> None:
    assert RedriveConfig.from_env(ENVIRONMENT).redrive_events_per_minute == 300


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ReconciliationConfig, "RECONCILE_COMPANY_QUEUE_URL", ""),
        (ReconciliationConfig, "RECONCILE_CALLS_PER_MINUTE", "0"),
        (ReconciliationConfig, "RECONCILE_CALLS_PER_MINUTE", "1001"),
        (ReconciliationConfig, "RECONCILE_QUOTA_SHARE", "0"),
        (ReconciliationConfig, "RECONCILE_QUOTA_SHARE", "101"),
        (RedriveConfig, "REDRIVE_EVENTS_PER_MINUTE", "0"),
        (RedriveConfig, "REDRIVE_EVENTS_PER_MINUTE", "10001"),
    ],
)
def test_a_variable_of_a_duty_that_cannot_be_used_is_named(kind: type[Config], name: str, value: str) -> None:
    with pytest.raises(InvalidConfig, match=name):
        kind.from_env({**ENVIRONMENT, "RECONCILE_COMPANY_QUEUE_URL": COMPANIES_QUEUE, name: value})
