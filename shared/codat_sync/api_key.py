"""The Codat API key, from Secrets Manager."""

from threading import Lock
from typing import Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider

MAX_AGE_SECONDS: Final = 300


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
        """The key without the white space that editors leave at its end."""
        with self._lock:
            afresh = rejected is not None and rejected != self._refused and rejected == self._read()
            if afresh:
                self._refused = rejected
            return self._read(afresh=afresh)

    def _read(self, *, afresh: bool = False) -> str:
        secret = self._secrets.get(self._name, max_age=MAX_AGE_SECONDS, force_fetch=afresh)
        return (secret.decode() if isinstance(secret, bytes) else str(secret)).strip()
