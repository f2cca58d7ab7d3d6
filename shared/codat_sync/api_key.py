"""The Codat API key, from Secrets Manager."""

import re
from threading import Lock
from typing import Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.aws.errors import passes_by_itself
from codat_sync.errors import TransientError

MAX_AGE_SECONDS: Final = 300


# Placeholders, and the JSON that the console makes of a key and its value. Matched as a whole only: a real key is
# random, and may contain any of these.
_PLACEHOLDER: Final = re.compile(
    r"(your[-_ ]?)?(codat[-_ ]?)?(api[-_ ]?)?(key|secret|token)( here)?"
    r"|change[-_ ]?me|replace[-_ ]?me|to[-_ ]?do|tbd|place[-_ ]?holder|dummy|x*|\**|\.*|-*|<.*>|[{\[].*[}\]]",
    re.IGNORECASE | re.DOTALL,
)


class ApiKeyUnusable(TransientError):
    """The secret holds no usable API key. Correcting the secret is enough: events wait on their queues meanwhile."""

    reason = "api_key_unusable"


class SecretApiKey:
    """The key, cached for five minutes at most, so that a rotated key is used without a deploy.

    Where Codat refuses a key before that, the secret is read anew, but once only for each refused key: a wrong key
    does not lead to a read for each call.
    """

    def __init__(self, secrets: SecretsProvider, name: str) -> None:
        self._secrets = secrets
        self._name = name
        self._refused: str | None = None
        self._lock = Lock()

    def __call__(self, *, rejected: str | None = None) -> str:
        """Return the key without surrounding white space.

        Raise ``ApiKeyUnusable`` where the secret is absent, may not be read, or holds no key, and what boto3 raises
        where Secrets Manager throttles the call or does not answer: then the key is not at fault.
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
            cause = error.__context__  # Powertools keeps no more than its text.
            if isinstance(cause, BotoCoreError | ClientError) and passes_by_itself(cause):
                raise cause from error
            raise ApiKeyUnusable(f"the secret {self._name} cannot be read: {error}") from error
        key = (secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)).strip()
        if _PLACEHOLDER.fullmatch(key):
            # Not cached, so that correcting the secret is enough; and not repeated here, since it may hold a key.
            self._secrets.clear_cache()  # type: ignore[no-untyped-call]  # Powertools left it so.
            raise ApiKeyUnusable(f"the secret {self._name} holds no API key: it has to be the bare key, as plain text")
        return key
