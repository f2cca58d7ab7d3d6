"""Presets in AWS AppConfig: start a rollout, and follow the newest one."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from codat_sync.presets.file import InvalidPresets

TOML: Final = "application/toml"


@dataclass(frozen=True)
class Rollout:
    """A deployment of presets by AppConfig.

    ``sha256`` is that of the file, as the functions log it in ``presets_live``. ``state`` is AppConfig's. ``words`` is
    the newest entry of AppConfig's event log, such as the alarm that caused a rollback.
    """

    number: int
    version: str
    state: str
    percent: float
    sha256: str | None = None
    words: str | None = None

    @property
    def is_complete(self) -> bool:
        """True once every function has these presets and AppConfig no longer rolls them back by itself."""
        return self.state == "COMPLETE"


class PresetsInAppConfig:
    """The stack's configuration profile in AppConfig."""

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
        """Store presets as a new version and start its rollout.

        Raises ``InvalidPresets`` with the words of the stack's validator, and ``ClientError`` where AppConfig refuses
        for another reason, such as a rollout that is in progress.
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
        """Return the rollout that was started last, or None where there never was one."""
        pages = self._appconfig.get_paginator("list_deployments").paginate(**self._environment)
        numbers = [each["DeploymentNumber"] for page in pages for each in page["Items"]]
        if not numbers:
            return None
        return _rollout(self._appconfig.get_deployment(**self._environment, DeploymentNumber=max(numbers)))


def _rollout(deployment: Any) -> Rollout:  # noqa: ANN401  # AppConfig's answer to either of two calls.
    events = sorted(deployment.get("EventLog", ()), key=lambda event: event["OccurredAt"])
    return Rollout(
        number=deployment["DeploymentNumber"],
        version=deployment["ConfigurationVersion"],
        state=deployment["State"],
        percent=deployment["PercentageComplete"],
        sha256=deployment.get("Description", "").removeprefix("sha256 ") or None,
        words=events[-1]["Description"] if events else None,
    )
