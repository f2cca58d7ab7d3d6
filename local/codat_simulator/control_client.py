"""A client of the simulator's control API, for the programs that set up companies, faults and the account."""

from typing import Any, Final

import requests

Json = dict[str, Any]

_SECONDS: Final = 60


class ControlRefused(Exception):
    """The simulator refused a request to its control API: the method, the path and its answer."""


class ControlClient:
    """The control API of one simulator, below `/_simulator`: see control.py."""

    def __init__(self, base_url: str) -> None:
        """Take the simulator's URL, as the functions call it."""
        self._url = f"{base_url}/_simulator"
        self._session = requests.Session()
        self._session.trust_env = False  # No proxy on the way to 127.0.0.1.

    def get(self, path: str) -> Json:
        """Return the JSON object at a path. Raise ControlRefused unless the answer is a 2xx."""
        return self._request("GET", path)

    def post(self, path: str, body: Json) -> Json:
        """Send a JSON object; return the answer, an empty object where there is none. Raise as `get` does."""
        return self._request("POST", path, body)

    def delete(self, path: str) -> None:
        """Delete what is at a path. Raise as `get` does."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._session.request(method, f"{self._url}/{path}", json=body, timeout=_SECONDS)
        if not answer.ok:
            raise ControlRefused(f"the Codat simulator refused {method} {path}: {answer.status_code} {answer.text}")
        content: Json = answer.json() if answer.content else {}
        return content
