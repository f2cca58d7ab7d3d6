"""The Codat API key, from Secrets Manager, in the forms in which people store it."""

import base64
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
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
    r"(your[-_ ]?)?(codat[-_ ]?)?(encoded[-_ ]?)?(api[-_ ]?)?(key|secret|token)( here)?"
    r"|change[-_ ]?me|replace[-_ ]?me|to[-_ ]?do|tbd|place[-_ ]?holder|dummy|x*|\**|\.*|-*|<.*>|[{\[].*[}\]]",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED: Final = re.compile("\"(.*)\"|'(.*)'|`(.*)`|\u201c(.*)\u201d|\u2018(.*)\u2019", re.DOTALL)
_HEADER: Final = re.compile(r"(?:authorization\s*:\s*)?basic\s+(.*)", re.IGNORECASE | re.DOTALL)
_ASSIGNMENT: Final = re.compile(
    r"(export\s+)?\w*(key|secret|token|codat)\w*\s*[=:]\s*[^=\s].*", re.IGNORECASE | re.DOTALL
)
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060"
_RANDOM_TEXT: Final = re.compile("[A-Za-z0-9_-]{16,}")
"""What a key looks like. Base64 of a key can be told from a bare one: 16 characters or more that are random decode to
nothing but these with a probability below one in a billion."""


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
        """Return the bare key, whichever way it was stored.

        Raise ``ApiKeyUnusable`` where the secret is absent, may not be read, or holds no key, and what boto3 raises
        where Secrets Manager throttles the call or does not answer: then the key is not at fault. No text repeats it.
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
        try:
            return _bare_key(secret if isinstance(secret, bytes) else str(secret))
        except _NoKey as problem:
            # Not cached, so that correcting the secret is enough.
            self._secrets.clear_cache()  # type: ignore[no-untyped-call]  # Powertools left it so.
            words = f"the secret {self._name} holds no API key: {problem}; it has to be the bare key, as plain text"
            raise ApiKeyUnusable(words) from None


class _NoKey(Exception):
    """The text is no key, and cannot be made into one. Says why, without the text: that may hold a key."""


def _bare_key(secret: str | bytes) -> str:
    """Return the key alone: no quotes, blanks or byte order mark around it, not encoded, and not as a header."""
    text = _stripped(secret if isinstance(secret, str) else _decoded(secret))
    header = _HEADER.fullmatch(text)
    if header:
        key = _from_base64(_stripped(header[1]))
        if key is None:
            raise _NoKey("a ready-made header whose base64 cannot be decoded")
        text = _stripped(key)
    elif (key := _from_base64(text)) is not None and _RANDOM_TEXT.fullmatch(_stripped(key)):
        text = _stripped(key)
    _check(text)
    return text


def _stripped(text: str) -> str:
    """Return the text without what editors, shells and web pages leave around it."""
    while (bare := _unquoted(text.strip().strip(_INVISIBLE))) != text:
        text = bare
    return text


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return next((group for group in quoted.groups() if group is not None), "") if quoted else text


def _decoded(secret: bytes) -> str:
    encoding = "utf-16" if secret.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    return secret.decode(encoding, errors="replace")


def _from_base64(text: str) -> str | None:
    """Return the decoded text without the colon of an empty password; None where it is no base64 of ASCII."""
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode("ascii").removesuffix(":")
    except ValueError:
        return None


def _check(key: str) -> None:
    """Raise ``_NoKey`` for what Codat would only answer with a 401."""
    if _PLACEHOLDER.fullmatch(key):
        raise _NoKey("it is empty, a placeholder, or JSON")
    if _ASSIGNMENT.fullmatch(key):
        raise _NoKey("it is a line with a name and a value")
    if any(each.isspace() for each in key):
        raise _NoKey("there is a blank or a line break inside")
    if not (key.isascii() and key.isprintable()):
        raise _NoKey("there are other characters in it than printable ASCII")
