"""The handler that people would write around Codat's official SDK."""

# The SDK re-exports its classes lazily, which mypy cannot follow.
# mypy: disable-error-code="attr-defined, name-defined"

import base64
import json
from typing import Any

from codat_platform import CodatPlatform
from codat_platform.models import operations, shared

from local.bench.handlers.presets import hours_by_plan


class SdkHandler:
    """The handler that people would write: Codat's SDK, get, set by the preset, and no memory of what was applied."""

    def __init__(self, codat_url: str, api_key: str, _companies_at_a_time: int) -> None:
        key = base64.b64encode(api_key.encode()).decode()
        self._sdk = CodatPlatform(security=shared.Security(auth_header=f"Basic {key}"), server_url=codat_url)
        self._hours = hours_by_plan()

    seconds_of_others = 0.0

    def consume(self, event: dict[str, Any]) -> None:
        for record in event["Records"]:
            detail = json.loads(record["body"])["detail"]
            hours, company = self._hours[detail["plan"]], detail["companyId"]
            current = self._sdk.companies.get_company_sync_settings(
                request=operations.GetCompanySyncSettingsRequest(company_id=company)
            )
            settings = current.settings or []
            for setting in settings:
                setting.sync_schedule = hours[setting.data_type.value]
            body = operations.SetCompanySyncSettingsRequestBody(
                company_id=company, settings=settings, overrides_defaults=True
            )
            self._sdk.companies.set_company_sync_settings(
                request=operations.SetCompanySyncSettingsRequest(company_id=company, request_body=body)
            )
