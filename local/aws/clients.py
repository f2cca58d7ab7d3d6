"""The endpoint of the emulated AWS: clients for this process, environment variables for others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - MiniStack's root account; it listens on 127.0.0.1 alone.

_THIS_MACHINE = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Aws:
    """Clients of one endpoint. Each is made at first use, and once."""

    endpoint_url: str
    ca_bundle: Path
    """The certificate authority of the endpoint: an absolute path."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make aws, sam and boto3 in another process call this endpoint, and no real account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        return self._session.client("cloudformation", **self._connection)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self._session.client("dynamodb", **self._connection)

    @cached_property
    def events(self) -> "EventBridgeClient":
        return self._session.client("events", **self._connection)

    @cached_property
    def lambda_(self) -> "LambdaClient":
        return self._session.client("lambda", **self._connection)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        return self._session.client("logs", **self._connection)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        return self._session.client("secretsmanager", **self._connection)

    @cached_property
    def sqs(self) -> "SQSClient":
        return self._session.client("sqs", **self._connection)

    @cached_property
    def _session(self) -> boto3.Session:
        # The developer's own profile, from AWS_PROFILE or from files, must not be used.
        session = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION, botocore_session=session)

    @cached_property
    def _connection(self) -> dict[str, Any]:
        # No proxy on the way to 127.0.0.1.
        config = Config(
            proxies={},
            connect_timeout=20,
            read_timeout=40,
            max_pool_connections=50,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return {"endpoint_url": self.endpoint_url, "verify": str(self.ca_bundle), "config": config}


def environment_without_aws(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment for child processes without the developer's account, profile and settings.

    Proxies stay, since pip may need one, but not for this machine.
    """
    kept = {
        name: value for name, value in environ.items() if not name.startswith(("AWS_", "CODAT_", "PYTHON", "SAM_CLI_"))
    }
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (environ.get(name), _THIS_MACHINE)))
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SAM_CLI_TELEMETRY": "0"}
