"""Putting presets into AppConfig, and what becomes of them there."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from codat_sync.presets.file import InvalidPresets

TOML: Final = "application/toml"


@dataclass(frozen=True)
class Rollout:
    """How far presets have come. ``sha256`` is the sum of their file, as the functions log it when they take it up.

    ``state`` is AppConfig's word; ``words`` is the newest that it says of it, such as which alarm took them back.
    """

    number: int
    version: str
    state: str
    percent: float
    sha256: str | None = None
    words: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether these presets are live for everybody, and nothing takes them back any more by itself."""
        return self.state == "COMPLETE"


class PresetsInAppConfig:
    """The stack's own profile in AppConfig, and how presets are brought in there."""

    def __init__(
        self,
        appconfig: Any,  # noqa: ANN401  # boto3's client, whose types come in a package of their own.
        *,
        application_id: str,
        environment_id: str,
        profile_id: str,
        strategy_id: str,
        kms_key: str = "",
    ) -> None:
        self._appconfig = appconfig
        self._profile = {"ApplicationId": application_id, "ConfigurationProfileId": profile_id}
        self._environment = {"ApplicationId": application_id, "EnvironmentId": environment_id}
        self._strategy_id = strategy_id
        self._key = {"KmsKeyIdentifier": kms_key} if kms_key else {}

    def put(self, content: bytes) -> Rollout:
        """Keep them as a new version, and begin to bring them in.

        Raises ``InvalidPresets`` with the words of the stack's own validator, and ``ClientError`` where AppConfig
        refuses otherwise, as it does while others are being brought in.
        """
        words = f"sha256 {hashlib.sha256(content).hexdigest()}"
        version = self._appconfig.create_hosted_configuration_version(
            **self._profile, Content=content, ContentType=TOML, Description=words
        )["VersionNumber"]
        try:
            started = self._appconfig.start_deployment(
                **self._environment,
                **self._key,
                ConfigurationProfileId=self._profile["ConfigurationProfileId"],
                ConfigurationVersion=str(version),
                DeploymentStrategyId=self._strategy_id,
                Description=words,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "BadRequestException":
                raise
            raise InvalidPresets(error.response["Error"]["Message"]) from error
        return _rollout(started)

    def newest(self) -> Rollout | None:
        """The newest that was begun."""
        pages = self._appconfig.get_paginator("list_deployments").paginate(**self._environment)
        numbers = [each["DeploymentNumber"] for page in pages for each in page["Items"]]
        if not numbers:
            return None
        return _rollout(self._appconfig.get_deployment(**self._environment, DeploymentNumber=max(numbers)))


def _rollout(deployment: Any) -> Rollout:  # noqa: ANN401  # AWS's own answer, to one call or the other.
    events = sorted(deployment.get("EventLog", ()), key=lambda event: event["OccurredAt"])
    return Rollout(
        number=deployment["DeploymentNumber"],
        version=deployment["ConfigurationVersion"],
        state=deployment["State"],
        percent=deployment["PercentageComplete"],
        sha256=deployment.get("Description", "").removeprefix("sha256 ") or None,
        words=events[-1]["Description"] if events else None,
    )
