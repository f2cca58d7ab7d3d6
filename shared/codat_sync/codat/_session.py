"""Sends one request to Codat, with its key, and returns the whole answer, whatever it is."""

import base64
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from http import HTTPMethod, HTTPStatus
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from codat_sync.codat._reply import Reply
from codat_sync.codat._transport import BoundedAdapter, Bounds, QuickRetry, within

NO_WHOLE_ANSWER: Final = (OSError, HTTPError, HTTPException, ValueError)
"""Beside the errors of requests, which are OSErrors: what requests lets through of urllib3, http.client and parsers."""
_PIECE: Final = 64 * 1024


class CodatSession:
    """Connections to Codat by the adapter of requests: no redirect is followed and no cookie kept. Thread-safe.

    Without a session of requests: that looks for proxies in the whole environment at each call, which took a tenth of
    the CPU of a change.
    """

    def __init__(self, base_url: str, *, max_connections: int, retries: int, backoff_seconds: float) -> None:
        """``retries`` are made at once where a connection fails before its answer, and on 502, 503 and 504."""
        self._base_url = base_url.rstrip("/")
        self._headers = {**requests.utils.default_headers(), "Accept": "application/json", "User-Agent": _user_agent()}
        # Proxies and certificates of the environment, read once: it does not change while a function lives.
        self._transport = dict[str, Any](
            requests.Session().merge_environment_settings(self._base_url, {}, stream=True, verify=True, cert=None)
        )
        self._adapter = BoundedAdapter(pool_maxsize=max_connections, max_retries=_quick_retry(retries, backoff_seconds))

    def exchange(
        self,
        method: HTTPMethod,
        path: str,
        keys: Sequence[str],
        bounds: Bounds,
        timeout: tuple[float, float],
        **content: Any,  # noqa: ANN401  # As requests takes it.
    ) -> Reply:
        """Send the first of the keys, and return an answer of whatever status, which conceals all of them.

        ``timeout`` has the seconds for a connection, and of silence. Raise one of ``NO_WHOLE_ANSWER``.
        """
        response = None
        try:
            with within(bounds):
                request = requests.Request(
                    method, self._base_url + path, headers=self._headers, auth=_ApiKeyAuth(keys[0]), **content
                )
                response = self._adapter.send(request.prepare(), timeout=timeout, **self._transport)
                body = _body_of(response, bounds)
            return Reply(f"{method} {path}", response.status_code, body, response.headers, _concealing(keys))
        finally:
            if response is not None:
                response.close()


def _body_of(response: requests.Response, bounds: Bounds) -> bytes:
    body = bytearray()
    for piece in response.iter_content(_PIECE):
        body += piece
        bounds.check_body(len(body))
    return bytes(body.removeprefix(BOM_UTF8))


class _ApiKeyAuth(AuthBase):
    """Codat's form of Basic: the key alone, encoded. https://docs.codat.io/using-the-api/authentication"""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {_encoded(self._key)}"
        return request


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode("ascii")


def _concealing(keys: Sequence[str]) -> Callable[[str], str]:
    """Return a function that takes the keys out of a text."""

    def conceal(text: str) -> str:
        plain = [form for key in keys if key for form in (key, _encoded(key))]
        escaped = (escape(form) for form in plain for escape in (lambda text: quote(text, safe=""), _in_json))
        for form in sorted({*plain, *escaped}, key=len, reverse=True):
            text = text.replace(form, "(the API key)")
        return text

    return conceal


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _quick_retry(retries: int, backoff_seconds: float) -> QuickRetry:
    return QuickRetry(
        total=retries,
        allowed_methods={HTTPMethod.GET, HTTPMethod.POST},
        status_forcelist={HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT},
        backoff_factor=backoff_seconds,
        respect_retry_after_header=False,  # A longer wait is the queue's business.
        raise_on_status=False,
    )


def _user_agent() -> str:
    return f"codat-sync-presets ({requests.utils.default_user_agent()})"
