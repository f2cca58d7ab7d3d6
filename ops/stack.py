"""A deployed stack: its outputs and parameters, and clients of its parts."""

import os
import shlex
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
import botocore.session
from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider
from botocore.config import Config
from botocore.exceptions import ClientError, NoRegionError

from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import CodatClient
from codat_sync.companies.pause import StoredPause
from codat_sync.companies.records import CompanyPlans
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.presets.file import Presets, packaged_file
from codat_sync.presets.hosted import HostedFile
from codat_sync.reconciliation.queue import CompanyReconciliations
from codat_sync.reconciliation.runs import ReconciliationRuns
from ops.bus import Bus
from ops.clock import now
from ops.dlq import OUTPUTS, Dlq, Dlqs
from ops.errors import StackNotFound
from ops.presets_in_appconfig import PresetsInAppConfig

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

ENDPOINTS: Final = Path(".local/endpoints.env")
"""The file in which `make local` notes the address of its AWS, relative to the project's root."""
DLQ_SECONDS: Final = 600.0
"""How long a command may read one DLQ."""

_TIMEOUTS: Final[Mapping[str, Any]] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
"""A person waits for 42 seconds at most until a call names what does not answer: boto3's own take five minutes."""
_NO_SUCH_STACK: Final = "ValidationError"  # CloudFormation's code for a stack that it does not know.


def _session() -> boto3.Session:
    """Return a session of the environment. boto3 alone reads the region from AWS_DEFAULT_REGION, not from AWS_REGION.

    https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
    """
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    return boto3.Session(region_name=region)


@dataclass(frozen=True)
class Aws:
    """One account and region, and how its clients connect."""

    session: boto3.Session = field(default_factory=_session)
    connection: Mapping[str, Any] = field(default_factory=lambda: {"config": Config(**_TIMEOUTS)})
    """The arguments that every client gets."""

    @classmethod
    def local(cls, endpoints: Path) -> Self:
        """Return the emulator of `make local`, whatever AWS account or proxy the environment configures.

        Raises ``StackNotFound`` where no local stack runs.
        """
        try:
            variables = _variables(endpoints.read_text("utf-8"))
        except FileNotFoundError:
            raise StackNotFound(
                f"no local stack runs: {endpoints} does not exist", hint="start one with `make local`"
            ) from None
        nothing = (None, None, os.devnull, None)
        isolated = botocore.session.Session(
            session_vars={"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
        )
        session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"],
            variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
            botocore_session=isolated,
        )
        address = {"endpoint_url": variables["AWS_ENDPOINT_URL"], "verify": variables["AWS_CA_BUNDLE"]}
        return cls(session, {**address, "config": Config(proxies={}, **_TIMEOUTS)})


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it: outputs and parameters by their names in template.yaml.

    Clients are created when they are first read, without a call to AWS.
    """

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    aws: Aws
    deployed_presets: Path | None = None
    """The presets file that a local stack was deployed with; None for the packaged one."""

    @classmethod
    def find(cls, name: str, aws: Aws | None = None, deployed_presets: Path | None = None) -> Self:
        """Ask CloudFormation for a stack, by default in the account and region of the environment.

        Raises ``StackNotFound``, ``NoRegionError``, and what boto3 raises where AWS refuses or does not answer.
        """
        aws = aws or Aws()
        if not aws.session.region_name:  # boto3 would take an empty AWS_DEFAULT_REGION for a region.
            raise NoRegionError
        try:
            cloudformation = aws.session.client("cloudformation", **aws.connection)
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NO_SUCH_STACK:
                raise
            raise StackNotFound(
                f"there is no stack {name!r} in {aws.session.region_name}",
                hint="name the stack with --stack or CODAT_SYNC_STACK, and its region with AWS_REGION",
            ) from error
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}
        return cls(name, outputs, parameters, aws, deployed_presets)

    @classmethod
    def local(cls, endpoints: Path = ENDPOINTS) -> Self:
        """Return the stack of `make local`. Raises ``StackNotFound`` where none runs."""
        aws = Aws.local(endpoints)
        deployed = _variables(endpoints.read_text("utf-8")).get("PRESETS_FILE")
        return cls.find("codat-sync-local", aws, Path(deployed) if deployed else None)

    def output(self, name: str) -> str:
        """Return an output. Raises ``StackNotFound`` where the stack's template is too old to have it."""
        return self._known(self.outputs, name)

    def parameter(self, name: str) -> str:
        """Return a parameter. Raises ``StackNotFound`` where the stack's template is too old to have it."""
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
        """Codat, with the API key of the functions."""
        secrets = self.aws.session.client("secretsmanager", **self.aws.connection)
        api_key = SecretApiKey(SecretsProvider(boto3_client=secrets), self.parameter("CodatApiKeySecretName"))
        return CodatClient(self.parameter("CodatBaseUrl"), api_key)

    @cached_property
    def plans(self) -> CompanyPlans:
        return CompanyPlans(self.dynamodb, self.output("CompanyPlansTableName"))

    @cached_property
    def pause(self) -> StoredPause:
        return StoredPause(self.dynamodb, self.output("CompanyPlansTableName"))

    @cached_property
    def bus(self) -> Bus:
        return Bus(self.events, self.output("EventBusName"))

    @cached_property
    def runs(self) -> ReconciliationRuns:
        return ReconciliationRuns(self.dynamodb, self.output("CompanyPlansTableName"))

    @cached_property
    def company_reconciliations(self) -> CompanyReconciliations:
        return CompanyReconciliations(self.sqs, self.output("CompanyReconciliationsQueueUrl"))

    def dlqs(self, only: Collection[Dlq] = ()) -> Dlqs:
        """Return the DLQs, or only those named."""
        queues = {dlq: DeadLetterQueue(self.sqs, self.output(OUTPUTS[dlq]), now) for dlq in only or Dlq}
        return Dlqs(queues, seconds=DLQ_SECONDS, now=now, monotonic=time.monotonic)

    @property
    def has_presets_in_appconfig(self) -> bool:
        """True where presets can go live without a deploy."""
        return self.parameters.get("PresetsFromAppConfig") == "true"

    @property
    def presets_file(self) -> bytes:
        """The live presets file: that of AppConfig, else the one that was deployed.

        During a rollout, either the old or the new one. Raises ``PresetsUnusable`` where AppConfig cannot be read.
        """
        live = self._presets_beside_the_package
        return packaged_file() if live is None else live

    @cached_property
    def presets(self) -> Presets:
        """The presets of that file. Raises ``PresetsUnusable`` and ``InvalidPresets``."""
        live = self._presets_beside_the_package
        return Presets.packaged() if live is None else Presets.parse(live)

    @cached_property
    def presets_in_appconfig(self) -> PresetsInAppConfig:
        """The stack's profile in AppConfig. Raises ``StackNotFound`` where the stack has none."""
        if not self.has_presets_in_appconfig:
            raise StackNotFound(
                f"the stack {self.name!r} has no presets in AppConfig: its presets change with a deploy",
                hint="deploy it with PresetsFromAppConfig=true",
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
        """The live presets file, or None where that is the packaged one."""
        hosted = self.hosted_presets() if self.has_presets_in_appconfig else None
        if hosted is None and self.deployed_presets is not None:
            return self.deployed_presets.read_bytes()
        return hosted

    def hosted_presets(self) -> bytes | None:
        """Return the live presets file of AppConfig, None where it holds none. Raise ``PresetsUnusable``."""

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
                f"the stack {self.name!r} has no {name}: its template is older than this tool",
                hint="deploy the stack again",
            ) from None


def _variables(text: str) -> dict[str, str]:
    """Parse lines of NAME='value' as a shell does."""
    return dict(line.split("=", 1) for line in shlex.split(text))
