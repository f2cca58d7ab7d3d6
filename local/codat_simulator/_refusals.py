"""Codat's error answers: the bodies of its OpenAPI and of its errors page.

Sources: https://docs.codat.io/using-the-api/errors and the ErrorMessage schema of the OpenAPI. A text that Codat has
not published is marked as such.
"""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

_LEARN_MORE: Final = "Learn more at https://docs.codat.io/using-the-api/errors"

_PUBLISHED_ERRORS: Final = {
    400: "Error processing request - not valid.",
    401: "Unauthorized",
    402: "Payment Required",
    403: "You are using an outdated API key or a key not associated with that resource.",
    429: "You have made too many requests in a given amount of time; please retry later.",
    500: "There is a problem with our server. Please try again later.",
    503: "The Codat API is temporarily offline for maintenance. Please try again later.",
}
"""The ``error`` text that Codat's OpenAPI shows for each status."""


class RefusalError(Exception):
    """The answer to a request, if that is 4xx or 5xx. ``retry_after`` asks for a Retry-After header."""

    def __init__(
        self,
        status: int,
        error: str | None = None,
        *,
        service: str = "PublicApi",
        problems: Sequence[JsonValue] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        self.status = status
        self.error = error or _published_error(status)
        self.service = service
        self.problems = list(problems)
        self.retry_after = retry_after
        super().__init__(f"{status} {self.error}")

    def body(self, correlation_id: str) -> dict[str, JsonValue]:
        """Return Codat's ErrorMessage. It has a ``validation`` only if there are problems to list."""
        message: dict[str, JsonValue] = {
            "statusCode": self.status,
            "service": self.service,
            "error": self.error,
            "correlationId": correlation_id,
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
        }
        if self.problems:
            message["validation"] = {"errors": self.problems, "warnings": []}
        return message


def _published_error(status: int) -> str:
    try:
        return _PUBLISHED_ERRORS.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def company_limit_exceeded() -> RefusalError:
    """Return the 402 of POST /companies: a free account holds at most 50 companies."""
    problem: JsonValue = {
        "itemId": "Company",
        "message": f"Company limit exceeded. {_LEARN_MORE}",
        "validatorName": "CreateCompany",
    }
    return RefusalError(402, "CompanyValidationException: Company limit exceeded", problems=[problem])


def schedule_not_allowed() -> RefusalError:
    """Return the 402 of a free account that asks for a schedule of less than a day."""
    problem: JsonValue = {
        "itemId": "SyncSettings",
        "message": "Sync schedule is not allowed for this client.",
        "validatorName": "SyncSettings",
    }
    return RefusalError(
        402,
        "SyncSettingsValidationException: Sync schedule not allowed",
        service="ClientsApi",
        problems=[problem],
    )


def account_expired() -> RefusalError:
    """Return the 402 of every endpoint, once a free account is older than 365 days.

    Its problem has no itemId and no validatorName.
    """
    return RefusalError(402, "Payment Required", problems=[{"message": f"Account expired. {_LEARN_MORE}"}])


def company_not_found(company_id: str) -> RefusalError:
    return RefusalError(404, f"No company was found with ID {company_id}", service="ClientsApi")


def connection_not_found(connection_id: str) -> RefusalError:
    return RefusalError(404, f"Data connection {connection_id} not found")


def no_linked_connection(company_id: str) -> RefusalError:
    """Return the 404 of a pull without a connection to pull from. Codat has not published this text."""
    return RefusalError(404, f"No linked data connection was found for company {company_id}")


def pull_in_progress(company_id: str, data_type: str, dataset_id: str) -> RefusalError:
    """Return the 409 of a pull that is in progress. The text is Codat's; the status is not documented for it."""
    return RefusalError(
        409,
        f"DatasetAlreadyInProgressException: Cannot queue {data_type} sync for {company_id} "
        f"as previous sync {dataset_id} is still in progress",
        service="PullApi",
    )


def malformed_query(detail: str = "Malformed query.") -> RefusalError:
    return RefusalError(400, f"Error parsing query - {detail}", service="ClientsApi")


def not_valid(*problems: JsonValue, service: str = "PublicApi") -> RefusalError:
    """Return a 400. The ``error`` text is Codat's, the wording of ``problems`` the simulator's."""
    return RefusalError(400, service=service, problems=problems)


def problem(item_id: str, message: str, validator: str) -> JsonValue:
    return {"itemId": item_id, "message": message, "validatorName": validator}


def problems_of(failure: ValidationError, validator: str, *, under: str = "") -> list[JsonValue]:
    """Return one problem for each of pydantic's errors, with its place, such as ``settings[0].syncOrder``."""
    return [problem(_place(detail, under), detail["msg"], validator) for detail in failure.errors()]


def sentence_of(failure: ValidationError) -> str:
    """Return pydantic's errors as one sentence, each with its place."""
    return "; ".join(f"{_place(detail, '') or 'body'}: {detail['msg']}" for detail in failure.errors()) + "."


def _place(detail: ErrorDetails, under: str) -> str:
    place = under
    for part in detail["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return place.removeprefix(".")
