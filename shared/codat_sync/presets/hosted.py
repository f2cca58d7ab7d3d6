"""The presets that are live: from AWS AppConfig where the stack has a profile there, else the packaged ones."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from codat_sync.errors import TransientError
from codat_sync.observability import count_presets_unusable, logger
from codat_sync.presets.file import InvalidPresets, Presets

LOOK_CONNECT_SECONDS: Final = 1
LOOK_READ_SECONDS: Final = 2
"""Timeouts of a call to AppConfig, which is not retried. A look makes three calls at most, so it delays a batch by nine
seconds at most."""
MAX_AGE: Final = timedelta(minutes=1)
"""For how long event functions may use presets that were just replaced. Also the wait after a look that failed."""


class PresetsUnusable(TransientError):
    """The presets that are live cannot be determined. AppConfig recovers, or its configuration has to be put right."""

    reason = "presets_unusable"


class HostedFile:
    """The presets file in AppConfig. During a rollout, the version that AppConfig assigns to this process."""

    def __init__(self, connect: Callable[[], AppConfigProvider], profile: str) -> None:
        """Take a ``connect`` that begins a session with the profile's application and environment, without a call."""
        self._connect = connect
        self._profile = profile
        self._session = connect()

    def __call__(self) -> bytes | None:
        """Return the file's content, or None where no version was ever deployed.

        Raise ``PresetsUnusable`` where AppConfig cannot be read.
        """
        try:
            return self._latest()
        except GetParameterError:
            # Each call needs the token of the call before, which expires after a day. A new session has a new token.
            # https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_appconfigdata_GetLatestConfiguration.html
            self._session = self._connect()
        try:
            return self._latest()
        except GetParameterError as error:
            message = str(error).partition("?")[0]  # The rest of the URL holds the token.
            raise PresetsUnusable(f"AppConfig cannot be read: {message}") from error

    def _latest(self) -> bytes | None:
        try:
            content = self._session.get(self._profile, max_age=0)
        except GetParameterError as error:
            if _is_absent(error.__context__):
                return None
            raise
        return content if isinstance(content, bytes) else str(content).encode()


def _is_absent(cause: BaseException | None) -> bool:
    """Tell whether nothing is deployed.

    AppConfig answers that there is no such resource; or it answers a session's first call with no content, for which
    Powertools raises ``KeyError``.
    """
    if isinstance(cause, ClientError):
        return cause.response["Error"]["Code"] == "ResourceNotFoundException"
    return isinstance(cause, KeyError)


class LivePresets:
    """The presets in AppConfig, or the packaged ones where AppConfig has none. Equal content gives the same object.

    While AppConfig cannot be read, or its file is invalid, the last valid presets stay in use; the packaged ones where
    there are none yet. Then each look counts in the metric ``PresetsUnusable``, and each new problem is logged once, as
    ``presets_unusable``.
    """

    def __init__(
        self,
        read: Callable[[], bytes | None],
        packaged: Presets,
        *,
        max_age: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        """Take the ``max_age`` of presets in use. Zero means a look at AppConfig for each call."""
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
        """Return the live presets or their fallback. Raise nothing."""
        if self._now() >= self._look_again_at:
            self._look_again_at = self._now() + (self._max_age if self._look() else MAX_AGE)
        return self._presets

    def known(self) -> Presets:
        """Return the live presets for work on all companies, where a fallback could do great harm.

        Raise ``PresetsUnusable`` where no look has succeeded yet.
        """
        presets = self()
        if not self._are_known:
            raise PresetsUnusable(self._problem)
        return presets

    def _look(self) -> bool:
        """Read AppConfig. Return False where the look gave no valid presets."""
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
        return self._packaged if content is None else Presets.parse(content)

    def _complain(self, reason: str, words: str) -> None:
        count_presets_unusable(reason)
        if words != self._problem:
            going_on_with = "the last good ones" if self._are_known else "the packaged ones"
            logger().error("presets_unusable", reason=reason, words=words, going_on_with=going_on_with)
        self._problem = words
