"""A fake AppConfig, and the ids of a stack's configuration profile in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError

IDS = {
    "PresetsApplicationId": "app1234",
    "PresetsEnvironmentId": "env1234",
    "PresetsProfileId": "pro1234",
    "PresetsDeploymentStrategyId": "str1234",
}


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "StartDeployment")


@dataclass
class FakeAppConfig:
    """AppConfig: its API for deployments, and its API for reading the live configuration."""

    live: bytes | None = None
    refuses: ClientError | None = None
    versions: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)

    def create_hosted_configuration_version(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        self.versions.append(asked)
        return {"VersionNumber": len(self.versions)}

    def start_deployment(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        if self.refuses is not None:
            raise self.refuses
        began = {"State": "DEPLOYING", "PercentageComplete": 0.0, "DeploymentNumber": len(self.deployments) + 1}
        self.deployments.append(asked | began)
        return self.deployments[-1]

    def get_deployment(self, *, DeploymentNumber: int, **_: str) -> dict[str, Any]:  # noqa: N803  # AWS's own name.
        return self.deployments[DeploymentNumber - 1]

    def get_paginator(self, name: str) -> "FakeAppConfig":
        assert name == "list_deployments"
        return self

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        assert asked == {"ApplicationId": "app1234", "EnvironmentId": "env1234"}
        for deployment in self.deployments:
            yield {"Items": [{"DeploymentNumber": deployment["DeploymentNumber"]}]}

    def start_configuration_session(self, **asked: str) -> dict[str, str]:
        assert asked == {
            "ApplicationIdentifier": "app1234",
            "EnvironmentIdentifier": "env1234",
            "ConfigurationProfileIdentifier": "pro1234",
        }
        if self.refuses is not None:
            raise self.refuses
        return {"InitialConfigurationToken": "token"}

    def get_latest_configuration(self, **_: str) -> dict[str, Any]:
        if self.live is None:
            raise refusal("ResourceNotFoundException")
        return {"Configuration": BytesIO(self.live), "NextPollConfigurationToken": "token"}
