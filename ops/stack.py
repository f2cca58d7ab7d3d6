"""Where the parts of a deployed stack answer."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
import botocore.session
from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider
from botocore.config import Config
from botocore.exceptions import ClientError

from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import CodatClient
from codat_sync.companies.pause import StoredPause
from codat_sync.companies.records import CompanyPlans
from codat_sync.presets.file import Presets, packaged_file
from codat_sync.presets.hosted import HostedFile
from ops.presets_in_appconfig import PresetsInAppConfig

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

ENDPOINTS: Final = Path(".local/endpoints.env")
"""Where `make local` says where its AWS answers, seen from the project's root."""

_PATIENCE: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
_NOT_THERE: Final = "ValidationError"  # CloudFormation's word for a stack that it does not know.


class StackNotFound(RuntimeError):
    """There is no such stack where we looked, or it lacks what this tool needs."""


@dataclass(frozen=True)
class Aws:
    """Clients of one account and region, all made in the same way."""

    session: boto3.Session = field(default_factory=boto3.Session)
    connection: Mapping[str, Any] = field(default_factory=lambda: {"config": Config(**_PATIENCE)})
    """What each client is made with beside it."""

    @classmethod
    def local(cls, endpoints: Path) -> Self:
        """The emulator of `make local`, whatever account or proxy this machine is set up for."""
        try:
            variables = _variables(endpoints.read_text("utf-8"))
        except FileNotFoundError:
            raise StackNotFound(f"no local stack runs here: {endpoints} is not there (make local)") from None
        nothing = (None, None, os.devnull, None)
        apart = botocore.session.Session(
            session_vars={"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
        )
        session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"],
            variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
            botocore_session=apart,
        )
        address = {"endpoint_url": variables["AWS_ENDPOINT_URL"], "verify": variables["AWS_CA_BUNDLE"]}
        return cls(session, {**address, "config": Config(proxies={}, **_PATIENCE)})


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it: its outputs and parameters by their names in template.yaml.

    Asking for a client, an output or a parameter calls nobody.
    """

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    aws: Aws
    deployed_presets: Path | None = None
    """The file of presets that a stack on this machine was deployed with. None: the packaged one."""

    @classmethod
    def find(cls, name: str, aws: Aws | None = None, deployed_presets: Path | None = None) -> Self:
        """The stack of that name, in the account of the ordinary credentials unless another is given.

        Raises ``StackNotFound``, and what boto3 raises where AWS does not answer.
        """
        aws = aws or Aws()
        try:
            cloudformation = aws.session.client("cloudformation", **aws.connection)
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NOT_THERE:
                raise
            raise StackNotFound(
                f"there is no stack {name!r} in {aws.session.region_name}: name it with --stack or CODAT_SYNC_STACK"
            ) from error
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}
        return cls(name, outputs, parameters, aws, deployed_presets)

    @classmethod
    def local(cls, endpoints: Path = ENDPOINTS) -> Self:
        """The stack of `make local`. Raises ``StackNotFound`` where none runs."""
        aws = Aws.local(endpoints)
        deployed = _variables(endpoints.read_text("utf-8")).get("PRESETS_FILE")
        return cls.find("codat-sync-local", aws, Path(deployed) if deployed else None)

    def output(self, name: str) -> str:
        """One output of the template. Raises ``StackNotFound`` where the stack is older than this tool."""
        return self._known(self.outputs, name)

    def parameter(self, name: str) -> str:
        """One parameter of the template. Raises ``StackNotFound`` where the stack is older than this tool."""
        return self._known(self.parameters, name)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self.aws.session.client("dynamodb", **self.aws.connection)

    @cached_property
    def events(self) -> "EventBridgeClient":
        return self.aws.session.client("events", **self.aws.connection)

    @cached_property
    def sqs(self) -> "SQSClient":
        return self.aws.session.client("sqs", **self.aws.connection)

    @cached_property
    def codat(self) -> CodatClient:
        """Codat, with the key that the functions have."""
        secrets = self.aws.session.client("secretsmanager", **self.aws.connection)
        api_key = SecretApiKey(SecretsProvider(boto3_client=secrets), self.parameter("CodatApiKeySecretName"))
        return CodatClient(self.parameter("CodatBaseUrl"), api_key)

    @cached_property
    def plans(self) -> CompanyPlans:
        return CompanyPlans(self.dynamodb, self.output("CompanyPlansTableName"))

    @cached_property
    def pause(self) -> StoredPause:
        return StoredPause(self.dynamodb, self.output("CompanyPlansTableName"))

    @property
    def has_presets_in_appconfig(self) -> bool:
        """Whether presets may go live there without a deploy."""
        return self.parameters.get("PresetsFromAppConfig") == "true"

    @property
    def presets_file(self) -> bytes:
        """The file of presets that is live: the one in AppConfig, else the one that was deployed.

        While others are brought in, one or the other of them. Raises ``PresetsUnusable`` where AppConfig does not show
        it.
        """
        live = self._presets_beside_the_package
        return packaged_file() if live is None else live

    @cached_property
    def presets(self) -> Presets:
        """What that file says. Also raises ``InvalidPresets``."""
        live = self._presets_beside_the_package
        return Presets.packaged() if live is None else Presets.parse(live)

    @cached_property
    def presets_in_appconfig(self) -> PresetsInAppConfig:
        """Raises ``StackNotFound`` where presets come with a deploy alone."""
        if not self.has_presets_in_appconfig:
            raise StackNotFound(
                f"the stack {self.name!r} takes presets by a deploy alone: PresetsFromAppConfig is not true there"
            )
        return PresetsInAppConfig(
            self.aws.session.client("appconfig", **self.aws.connection),
            application_id=self.output("PresetsApplicationId"),
            environment_id=self.output("PresetsEnvironmentId"),
            profile_id=self.output("PresetsProfileId"),
            strategy_id=self.output("PresetsDeploymentStrategyId"),
            kms_key=self.parameters.get("KmsKeyArn", ""),
        )

    @cached_property
    def _presets_beside_the_package(self) -> bytes | None:
        """The file that is live in the place of the packaged one. None where the packaged one is."""
        hosted = self._hosted_presets() if self.has_presets_in_appconfig else None
        if hosted is None and self.deployed_presets is not None:
            return self.deployed_presets.read_bytes()
        return hosted

    def _hosted_presets(self) -> bytes | None:
        def connect() -> AppConfigProvider:
            client = self.aws.session.client("appconfigdata", **self.aws.connection)
            return AppConfigProvider(
                self.output("PresetsEnvironmentId"), self.output("PresetsApplicationId"), boto3_client=client
            )

        return HostedFile(connect, self.output("PresetsProfileId"))()

    def _known(self, values: Mapping[str, str], name: str) -> str:
        try:
            return values[name]
        except KeyError:
            raise StackNotFound(
                f"the stack {self.name!r} has no {name}: it was deployed from an older template"
            ) from None


def _variables(text: str) -> dict[str, str]:
    """What a shell would make of NAME='value' lines."""
    return dict(line.split("=", 1) for line in shlex.split(text))
