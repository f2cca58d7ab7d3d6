"""The Codat API key, from Secrets Manager."""

import re
from threading import Lock
from typing import Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

MAX_AGE_SECONDS: Final = 300


# What people write where a key is to come, and the JSON that the console makes of a key and its value. Only as a whole:
# a real key is random, and may hold any of these somewhere.
_PLACEHOLDER: Final = re.compile(
    r"(your[-_ ]?)?(codat[-_ ]?)?(api[-_ ]?)?(key|secret|token)( here)?"
    r"|change[-_ ]?me|replace[-_ ]?me|to[-_ ]?do|tbd|place[-_ ]?holder|dummy|x*|\**|\.*|-*|<.*>|[{\[].*[}\]]",
    re.IGNORECASE | re.DOTALL,
)


class ApiKeyUnusable(Exception):
    """There is no key to call Codat with. Putting the secret right is enough: events wait on their queues meanwhile."""

    reason = "api_key_unusable"


class SecretApiKey:
    """The key, kept for five minutes at most, so that a rotated one is taken up without a deploy.

    Where Codat refuses a key before that, the secret is read afresh, but only once for each key that was refused: a
    wrong key does not become a read for each call.
    """

    def __init__(self, secrets: SecretsProvider, name: str) -> None:
        self._secrets = secrets
        self._name = name
        self._refused: str | None = None
        self._lock = Lock()

    def __call__(self, *, rejected: str | None = None) -> str:
        """The key without the white space that editors leave at its end.

        Raises ``ApiKeyUnusable`` where the secret is absent, may not be read, or holds no key.
        """
        with self._lock:
            afresh = rejected is not None and rejected != self._refused and rejected == self._read()
            if afresh:
                self._refused = rejected
            return self._read(afresh=afresh)

    def _read(self, *, afresh: bool = False) -> str:
        try:
            secret = self._secrets.get(self._name, max_age=MAX_AGE_SECONDS, force_fetch=afresh)
        except GetParameterError as error:
            raise ApiKeyUnusable(f"the secret {self._name} cannot be read: {error}") from error
        key = (secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)).strip()
        if _PLACEHOLDER.fullmatch(key):
            # Not kept, so that it is enough to put it right; and not repeated here, since it may hold a key.
            self._secrets.clear_cache()  # type: ignore[no-untyped-call]  # Powertools left it so.
            raise ApiKeyUnusable(f"the secret {self._name} holds no API key: it has to be the bare key, as plain text")
        return key
