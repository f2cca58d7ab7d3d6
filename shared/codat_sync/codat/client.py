"""The Codat endpoints that this project uses, one method each.

https://docs.codat.io/platform-api
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPMethod, HTTPStatus
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel

from codat_sync.codat._reading import Reading, reading_of_acceptance, reading_of_model
from codat_sync.codat._session import NO_WHOLE_ANSWER, CodatSession
from codat_sync.codat._transport import Bounds
from codat_sync.codat.errors import BadRequest, CodatError, Conflict, NotCodat, Unreachable, error_for
from codat_sync.codat.models import Company, Connection, Dialect, Page, SyncSettings
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.deadline import Deadline

CONNECT_SECONDS: Final = 2
"""For a name and a TCP connection, and as long again for TLS."""
READ_SECONDS: Final = 6
"""The longest silence of a server."""
QUICK_RETRIES: Final = 2
BACKOFF_SECONDS: Final = 0.2
REQUEST_SECONDS: Final = (1 + QUICK_RETRIES) * (CONNECT_SECONDS + READ_SECONDS) + 2 * BACKOFF_SECONDS
"""The bound of one method of the client, and of each page of a list. It covers all that goes over the wire: names,
connections, TLS, headers, bodies, the quick retries and their pauses, the second try after a 401, and the second form
after a 400. Three tries have time enough to fail in silence."""
LARGEST_BODY: Final = 1024 * 1024
"""In bytes, as compressed and as decompressed. The settings of all 43 data types take 9 KB."""
LARGEST_ITEM: Final = 16 * 1024
"""What each item of a page may take beside that."""

_T = TypeVar("_T")
_Model = TypeVar("_Model", bound=BaseModel)
_Item = TypeVar("_Item", bound=BaseModel)


class ApiKey(Protocol):
    """The source of the API key."""

    def __call__(self, *, rejected: str | None = None) -> str:
        """Return the key. Where ``rejected`` is the key that Codat just refused, fetch it anew, within reason."""


@dataclass(frozen=True)
class Answer:
    """How one request ended, quick retries included.

    ``status`` is None where no whole answer came. ``is_codats`` is False where something else answered, such as a
    firewall: then the status says nothing of Codat, and ``rate_limit`` is empty.
    """

    method: HTTPMethod
    status: int | None
    seconds: float
    rate_limit: RateLimit
    is_codats: bool = True


class CodatClient:
    """Codat, for one account. Safe to share between threads.

    Every method raises a ``CodatError`` where Codat does not do what was asked. Connections that fail or are cut before
    the answer begins, and 502, 503 and 504, are retried twice at once. That is safe for writes too: the same settings
    set twice leave the same state, and a refresh that is in progress is not queued again. A read that timed out is not
    retried, nor an answer that was cut after it began. No method takes longer than ``REQUEST_SECONDS``, whatever the
    server does, or does not do; a list takes that for each page.
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
        self._api_key = api_key
        self._dialect = dialect
        self._shown_dialect: Dialect | None = None
        self._on_answer = on_answer
        self._now = now
        self._monotonic = monotonic
        self._session = CodatSession(
            base_url, max_connections=max_connections, retries=quick_retries, backoff_seconds=BACKOFF_SECONDS
        )
        self.rate_limit = RateLimit()
        """The quota according to Codat's newest answer."""

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """Get the company's settings: GET /companies/{companyId}/syncSettings."""
        return self._note_dialect(self._get(f"/companies/{company_id}/syncSettings", SyncSettings, company_id))

    def get_account_sync_settings(self) -> SyncSettings:
        """Get the account's own defaults: GET /profile/syncSettings."""
        return self._note_dialect(self._get("/profile/syncSettings", SyncSettings))

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        """Set all of a company's settings: POST /companies/{companyId}/syncSettings.

        With ``overrides_defaults`` false the company goes back to the account's defaults. Where no answer has shown
        Codat's dialect, the object form is sent and, on a 400, the hours form once.
        """
        bounds = self._bounds()
        known = self._dialect or settings.dialect or self._shown_dialect
        try:
            self._set_sync_settings(company_id, settings, known or Dialect.OBJECT, bounds)
        except CodatError as refusal:
            if known or refusal.status != HTTPStatus.BAD_REQUEST:
                raise
            self._set_sync_settings(company_id, settings, Dialect.HOURS, bounds)

    def get_company(self, company_id: UUID) -> Company:
        """Get a company: GET /companies/{companyId}."""
        return self._get(f"/companies/{company_id}", Company, company_id)

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
        path = f"/companies/{company_id}/data/" + (f"queue/{quote(data_type, safe='')}" if data_type else "all")
        try:
            self._post(path, company_id, self._bounds())
        except (BadRequest, Conflict) as refusal:
            if "alreadyinprogress" in str(refusal).casefold().replace(" ", ""):
                return False
            raise
        return True

    def _set_sync_settings(self, company_id: UUID, settings: SyncSettings, dialect: Dialect, bounds: Bounds) -> None:
        body = {
            "companyId": str(company_id),
            "overridesDefaults": settings.overrides_defaults,
            "settings": settings.on_the_wire(dialect),
        }
        self._post(f"/companies/{company_id}/syncSettings", company_id, bounds, json=body)
        self._shown_dialect = dialect

    def _note_dialect(self, answer: SyncSettings) -> SyncSettings:
        self._shown_dialect = answer.dialect or self._shown_dialect
        return answer

    def _pages(self, path: str, item: type[_Item], page_size: int) -> Iterator[_Item]:
        number, more = 1, True
        largest = LARGEST_BODY + page_size * LARGEST_ITEM
        while more:
            params = {"page": number, "pageSize": page_size}
            page = self._get(path, Page[item], largest_body=largest, params=params)  # type: ignore[valid-type]
            yield from page.results or ()
            number, more = number + 1, page.has_next

    def _get(
        self,
        path: str,
        model: type[_Model],
        company_id: UUID | None = None,
        *,
        largest_body: int = LARGEST_BODY,
        **content: Any,  # noqa: ANN401  # As requests takes it.
    ) -> _Model:
        bounds = self._bounds(largest_body)
        return self._request(HTTPMethod.GET, path, reading_of_model(model, company_id), bounds, **content)

    def _post(self, path: str, company_id: UUID, bounds: Bounds, **content: Any) -> None:  # noqa: ANN401  # As above.
        self._request(HTTPMethod.POST, path, reading_of_acceptance(company_id), bounds, **content)

    def _bounds(self, largest_body: int = LARGEST_BODY) -> Bounds:
        ends_at = self._monotonic() + REQUEST_SECONDS
        return Bounds(Deadline(lambda: ends_at - self._monotonic()), largest_body)

    def _request(
        self,
        method: HTTPMethod,
        path: str,
        read: Reading[_T],
        bounds: Bounds,
        **content: Any,  # noqa: ANN401  # As above.
    ) -> _T:
        """Return what is read from an answer in 2xx. On a 401 the key is fetched anew, and the request made again."""
        key = self._api_key()
        try:
            return self._send(method, path, read, bounds, [key], **content)
        except CodatError as refusal:
            if refusal.status != HTTPStatus.UNAUTHORIZED:
                raise
            fresh = self._api_key(rejected=key)
            if fresh == key or not bounds.allows_retry(after_seconds=0):
                raise
        return self._send(method, path, read, bounds, [fresh, key], **content)

    def _send(
        self,
        method: HTTPMethod,
        path: str,
        read: Reading[_T],
        bounds: Bounds,
        keys: Sequence[str],
        **content: Any,  # noqa: ANN401  # As above.
    ) -> _T:
        """Make one request with the first of the keys. No error repeats any of them."""
        began = self._monotonic()
        try:
            timeout = (CONNECT_SECONDS, READ_SECONDS)
            reply = self._session.exchange(method, path, keys, bounds, timeout, **content)
        except NO_WHOLE_ANSWER as error:
            self._on_answer(Answer(method, None, self._monotonic() - began, RateLimit()))
            raise Unreachable(f"{method} {path}: {bounds.reached or type(error).__name__}") from error
        quota, is_codats = RateLimit.read(reply.headers, self._now()), True
        try:
            if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
                raise error_for(reply, self._now())
            return read(reply)
        except NotCodat:
            quota, is_codats = RateLimit(), False
            raise
        finally:
            self.rate_limit = quota if is_codats else self.rate_limit
            self._on_answer(Answer(method, reply.status, self._monotonic() - began, quota, is_codats))
