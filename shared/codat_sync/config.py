"""The configuration of a function: its environment variables."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from codat_sync.codat.models import Dialect
from codat_sync.errors import TransientError

CODAT_BASE_URL: Final = r"^(https://[^/?#\s]+|http://(127\.0\.0\.1|localhost)(:\d+)?)/?$"
"""Each request carries the API key, so TLS is required except for this machine."""
PRESETS_PROFILE: Final = r"^([^/]+/[^/]+/[^/]+)?$"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class InvalidConfig(TransientError):
    """An environment variable is missing or cannot be used. The text names all of them at once."""

    reason = "invalid_config"


class Config(BaseModel):
    """The environment variables that template.yaml sets, under their own names in lower case."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper)

    codat_base_url: Annotated[str, StringConstraints(strip_whitespace=True, pattern=CODAT_BASE_URL)]
    codat_api_key_secret_name: _Text
    codat_sync_schedule_format: Literal["auto", "object", "hours"] = "auto"
    company_plan_tag: _Text = "plan"
    company_plans_table_name: _Text
    detailed_metrics: Literal["true", "false"] = "false"
    """``observability`` reads the variable where it writes; here, a wrong value is found at the start."""
    event_bus_name: _Text
    failed_events_queue_url: _Text
    first_deferral_seconds: Annotated[int, Field(ge=1, le=900)] = 60
    max_concurrent_companies: Annotated[int, Field(ge=1, le=10)] = 4
    patience_hours: Annotated[int, Field(ge=1, le=168)] = 96
    payment_required_queue_url: _Text
    powertools_metrics_namespace: (
        _Text  # Powertools reads it; required here, so that a function without it does not start.
    )
    presets_profile: Annotated[str, StringConstraints(strip_whitespace=True, pattern=PRESETS_PROFILE)] = ""
    """``application/environment/profile`` in AppConfig, by id or name; empty means the packaged presets."""
    source_queue_url: _Text

    @property
    def dialect(self) -> Dialect | None:
        """The form of ``syncSchedule``; None means that of Codat's own answers."""
        return None if self.codat_sync_schedule_format == "auto" else Dialect(self.codat_sync_schedule_format)

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment. Raise ``InvalidConfig``, which does not repeat values: some may be secret."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            problems = (f"{problem['loc'][0]} ({problem['msg']})" for problem in error.errors(include_input=False))
            # Not from the error: its text repeats the values, and Lambda logs the whole chain.
            raise InvalidConfig(f"environment variables: {', '.join(problems)}") from None


class ReconciliationConfig(Config):
    """The additional configuration of the function that reconciles all companies.

    ``reconcile_calls_per_minute`` is its pace at Codat. ``reconcile_quota_share`` is a percentage: once that much of
    Codat's daily quota is used up, by any caller, the function waits for the next day.
    """

    reconcile_calls_per_minute: Annotated[int, Field(ge=1, le=1000)] = 300
    reconcile_company_queue_url: _Text
    reconcile_quota_share: Annotated[int, Field(ge=1, le=100)] = 50


class RedriveConfig(Config):
    """The additional configuration of the function that brings parked events back: its pace."""

    redrive_events_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 300
