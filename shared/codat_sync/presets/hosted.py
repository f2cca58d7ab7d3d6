"""The presets that are live: from AWS AppConfig where the stack has a profile there, else those of this package.

A batch and a duty's invocation end with the presets that they began with.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from codat_sync.observability import count_presets_unusable, logger
from codat_sync.presets.file import InvalidPresets, Presets, PresetsUnusable

LOOK_CONNECT_SECONDS: Final = 1
LOOK_READ_SECONDS: Final = 2
"""Neither is tried again. A look makes three calls at most, so a batch begins nine seconds late at the worst."""
MAX_AGE: Final = timedelta(minutes=1)
"""How long live events may be given presets that were just replaced. Also how soon a look that failed is repeated."""


class HostedFile:
    """The content of a configuration profile, as AppConfig means it for this process while it rolls a new one out."""

    def __init__(self, connect: Callable[[], AppConfigProvider], profile: str) -> None:
        """``connect`` begins a session with the profile's application and environment, without a call."""
        self._connect = connect
        self._profile = profile
        self._session = connect()

    def __call__(self) -> bytes | None:
        """None where nothing was ever deployed. Raises ``PresetsUnusable`` where AppConfig cannot be read, in words."""
        try:
            return self._latest()
        except GetParameterError:
            # Each call needs the token that the one before left, and that is good for a day. A new session has its own.
            # https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_appconfigdata_GetLatestConfiguration.html
            self._session = self._connect()
        try:
            return self._latest()
        except GetParameterError as error:
            words = str(error).partition("?")[0]  # What follows in a URL is the token.
            raise PresetsUnusable(f"AppConfig cannot be read: {words}") from error

    def _latest(self) -> bytes | None:
        try:
            content = self._session.get(self._profile, max_age=0)
        except GetParameterError as error:
            if _is_absent(error.__context__):
                return None
            raise
        return content if isinstance(content, bytes) else str(content).encode()


def _is_absent(cause: BaseException | None) -> bool:
    """AppConfig knows no deployment there; or a session's first answer was empty, which Powertools looks up in vain."""
    if isinstance(cause, ClientError):
        return cause.response["Error"]["Code"] == "ResourceNotFoundException"
    return isinstance(cause, KeyError)


class LivePresets:
    """What AppConfig holds, or the packaged presets where it holds nothing. The same content is the very same object.

    Where it cannot be read, or holds what cannot be used, the last good ones go on, and the packaged ones where there
    are none yet. The log says so once, ``presets_unusable``, and the metric ``PresetsUnusable`` at each look.
    """

    def __init__(
        self,
        read: Callable[[], bytes | None],
        packaged: Presets,
        *,
        max_age: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        """``max_age`` is how long what was read is believed; none at all means a look each time that one asks."""
        self._read = read
        self._packaged = packaged
        self._max_age = max_age
        self._now = now
        self._presets = packaged
        self._content: bytes | None = None
        self._are_known = False
        self._problem = ""
        self._look_again_at = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> Presets:
        """The best that there is. Raises nothing."""
        if self._now() >= self._look_again_at:
            self._look_again_at = self._now() + (self._max_age if self._look() else MAX_AGE)
        return self._presets

    def known(self) -> Presets:
        """The same for whoever acts on all companies at once, by which a makeshift could do great harm.

        Raises ``PresetsUnusable`` where none were ever read.
        """
        presets = self()
        if not self._are_known:
            raise PresetsUnusable(self._problem)
        return presets

    def _look(self) -> bool:
        """Whether it found what can be used."""
        try:
            content = self._read()
            presets = self._presets if content == self._content else self._parse(content)
        except PresetsUnusable as error:
            self._complain("unreadable", str(error))
            return False
        except InvalidPresets as error:
            self._complain("invalid", str(error))
            return False
        if presets is not self._presets or self._problem:
            logger().info("presets_live", sha256=content and hashlib.sha256(content).hexdigest())
        self._presets, self._content, self._are_known, self._problem = presets, content, True, ""
        return True

    def _parse(self, content: bytes | None) -> Presets:
        return self._packaged if content is None else parse(content)

    def _complain(self, reason: str, words: str) -> None:
        count_presets_unusable(reason)
        if words != self._problem:
            going_on_with = "the last good ones" if self._are_known else "the packaged ones"
            logger().error("presets_unusable", reason=reason, words=words, going_on_with=going_on_with)
        self._problem = words


def parse(content: bytes) -> Presets:
    """Presets from a file's content. Raises ``InvalidPresets`` with every problem, in words."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidPresets(f"not UTF-8: {error}") from error
    return Presets.parse(text)


def validate(content: bytes, packaged: Presets) -> None:
    """Whether presets may go live without a deploy. Raises ``InvalidPresets`` with every problem, in words.

    A plan of the package must not be missing: there may be companies on it, and the package is what is fallen back to.
    """
    gone = packaged.plans.keys() - parse(content).plans.keys()
    if gone:
        words = "the deployed package has it; only a deploy can remove a plan"
        raise InvalidPresets("\n".join(f"plan {plan}: {words}" for plan in sorted(gone)))
