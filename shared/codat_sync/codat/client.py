"""The Codat endpoints that this project uses, one method each.

https://docs.codat.io/platform-api
"""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPMethod, HTTPStatus
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import requests
from pydantic import BaseModel, JsonValue, ValidationError
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import BaseHTTPResponse, Retry
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ReadTimeoutError

from codat_sync.codat.errors import BadRequest, Conflict, UnexpectedAnswer, Unreachable, error_for
from codat_sync.codat.models import Company, Connection, Dialect, Page, SyncSettings
from codat_sync.codat.rate_limits import RateLimit

CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 6
QUICK_RETRIES: Final = 2
BACKOFF_SECONDS: Final = 0.2
# One request at its slowest: three tries at their longest, and the pauses between them (none, then 0.4 s). A 401
# doubles it, once in the life of a key. The read timeout counts between bytes, so an answer that drips could take
# longer: then Lambda cuts the function off, and redelivery repairs that as it repairs any crash.
REQUEST_SECONDS: Final = (1 + QUICK_RETRIES) * (CONNECT_SECONDS + READ_SECONDS) + 2 * BACKOFF_SECONDS


_Model = TypeVar("_Model", bound=BaseModel)
_Item = TypeVar("_Item", bound=BaseModel)


class ApiKey(Protocol):
    """The source of the API key."""

    def __call__(self, *, rejected: str | None = None) -> str:
        """Return the key. Where ``rejected`` is the key that Codat just refused, fetch it anew, within reason."""


@dataclass(frozen=True)
class Answer:
    """How one request ended, quick retries included. ``status`` is None where no answer came."""

    method: HTTPMethod
    status: int | None
    seconds: float
    rate_limit: RateLimit


class CodatClient:
    """Codat, for one account. Safe to share between threads.

    Every method raises a ``CodatError`` where Codat does not do what was asked. Connections that fail or are cut before
    the answer begins, and 502, 503 and 504, are retried twice at once. That is safe for writes too: the same settings
    set twice leave the same state, and a refresh that is in progress is not queued again. A read that timed out is not
    retried.
    """

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey,
        *,
        dialect: Dialect | None = None,
        max_connections: int = 10,
        quick_retries: int = QUICK_RETRIES,
        on_answer: Callable[[Answer], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``dialect`` None means: write in the dialect of Codat's own answers.

        ``on_answer`` is called with each answer, in the thread that made the request, before the caller gets it.
        """
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._dialect = dialect
        self._shown_dialect: Dialect | None = None
        self._on_answer = on_answer
        self._now = now
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", "User-Agent": _user_agent()})
        adapter = HTTPAdapter(pool_maxsize=max_connections, max_retries=_quick_retry(quick_retries))
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self.rate_limit = RateLimit()
        """The quota according to the newest answer."""

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """Get the company's settings: GET /companies/{companyId}/syncSettings."""
        return self._note_dialect(self._get(f"/companies/{company_id}/syncSettings", SyncSettings))

    def get_account_sync_settings(self) -> SyncSettings:
        """Get the account's own defaults: GET /profile/syncSettings."""
        return self._note_dialect(self._get("/profile/syncSettings", SyncSettings))

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        """Set all of a company's settings: POST /companies/{companyId}/syncSettings.

        With ``overrides_defaults`` false the company goes back to the account's defaults. Where no answer has shown
        Codat's dialect, the object form is sent and, on a 400, the hours form once.
        """
        known = self._dialect or settings.dialect or self._shown_dialect
        try:
            self._set_sync_settings(company_id, settings, known or Dialect.OBJECT)
        except BadRequest:
            if known:
                raise
            self._set_sync_settings(company_id, settings, Dialect.HOURS)

    def get_company(self, company_id: UUID) -> Company:
        """Get a company: GET /companies/{companyId}."""
        return self._get(f"/companies/{company_id}", Company)

    def list_companies(self, *, page_size: int = 100) -> Iterator[Company]:
        """List all companies of the account, a page (1 to 5,000) at a time: GET /companies.

        Codat does not promise a stable order while companies come and go: one may be seen twice.
        """
        return self._pages("/companies", Company, page_size)

    def list_connections(self, company_id: UUID, *, page_size: int = 100) -> Iterator[Connection]:
        """List a company's connections, a page at a time: GET /companies/{companyId}/connections."""
        return self._pages(f"/companies/{company_id}/connections", Connection, page_size)

    def queue_refresh(self, company_id: UUID, data_type: str | None = None) -> bool:
        """Queue a pull of one data type, or of all that are fetched on first link; return False if one is in progress.

        POST /companies/{companyId}/data/queue/{dataType}, POST /companies/{companyId}/data/all. Codat does not
        document the status of its DatasetAlreadyInProgressException, so both likely ones are accepted.
        """
        path = f"data/queue/{quote(data_type, safe='')}" if data_type else "data/all"
        try:
            self._request(HTTPMethod.POST, f"/companies/{company_id}/{path}")
        except (BadRequest, Conflict) as refusal:
            if "alreadyinprogress" in str(refusal).casefold().replace(" ", ""):
                return False
            raise
        return True

    def _set_sync_settings(self, company_id: UUID, settings: SyncSettings, dialect: Dialect) -> None:
        body: dict[str, JsonValue] = {
            "companyId": str(company_id),
            "overridesDefaults": settings.overrides_defaults,
            "settings": [setting.on_the_wire(dialect) for setting in settings.settings],
        }
        self._request(HTTPMethod.POST, f"/companies/{company_id}/syncSettings", json=body)
        self._shown_dialect = dialect

    def _note_dialect(self, answer: SyncSettings) -> SyncSettings:
        self._shown_dialect = answer.dialect or self._shown_dialect
        return answer

    def _get(self, path: str, model: type[_Model], **params: int) -> _Model:
        response = self._request(HTTPMethod.GET, path, params=params)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:3])
            raise UnexpectedAnswer(f"GET {path}: {wrong}", status=response.status_code) from error

    def _pages(self, path: str, item: type[_Item], page_size: int) -> Iterator[_Item]:
        number, more = 1, True
        while more:
            page = self._get(path, Page[item], page=number, pageSize=page_size)  # type: ignore[valid-type]
            yield from page.results or ()
            number, more = number + 1, page.has_next

    def _request(self, method: HTTPMethod, path: str, **content: Any) -> requests.Response:  # noqa: ANN401
        """Return an answer in 2xx. On a 401 the key is fetched anew, and the request made once more."""
        keys = [self._api_key()]
        response = self._send(method, path, keys[0], **content)
        if response.status_code == HTTPStatus.UNAUTHORIZED and (fresh := self._api_key(rejected=keys[0])) != keys[0]:
            keys.append(fresh)
            response = self._send(method, path, fresh, **content)
        if HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return response
        body = response.content
        for secret in (form for key in keys if key for form in (key, _encoded(key))):
            body = body.replace(secret.encode(), b"(the API key)")  # An error page may show what it answers.
        raise error_for(response.status_code, body, response.headers, self._now())

    def _send(self, method: HTTPMethod, path: str, key: str, **content: Any) -> requests.Response:  # noqa: ANN401
        began = self._monotonic()
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                auth=_ApiKeyAuth(key),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,  # A redirected POST would become a GET.
                **content,
            )
        except requests.RequestException as error:
            self._on_answer(Answer(method, None, self._monotonic() - began, RateLimit()))
            raise Unreachable(f"{method} {path}: {type(error).__name__}") from error
        self.rate_limit = RateLimit.read(response.headers, self._now())
        self._on_answer(Answer(method, response.status_code, self._monotonic() - began, self.rate_limit))
        return response


class _ApiKeyAuth(AuthBase):
    """Codat's form of Basic: the key alone, encoded. https://docs.codat.io/using-the-api/authentication

    An auth object, not a header, since requests lets a .netrc file overrule a plain header.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {_encoded(self._key)}"
        return request


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode("ascii")


class _QuickRetry(Retry):
    """A retry that gives up at once on a read that timed out: another try would wait as long again."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def _quick_retry(total: int) -> Retry:
    return _QuickRetry(
        total=total,
        allowed_methods={HTTPMethod.GET, HTTPMethod.POST},
        status_forcelist={HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT},
        backoff_factor=BACKOFF_SECONDS,
        respect_retry_after_header=False,  # A longer wait is the queue's business.
        raise_on_status=False,
    )


def _user_agent() -> str:
    return f"codat-sync-presets ({requests.utils.default_user_agent()})"
