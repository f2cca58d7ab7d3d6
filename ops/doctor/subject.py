"""What the checks look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ops.stack import Aws, Stack

BEFORE_A_DEPLOY: Final[Mapping[str, str]] = {
    "CodatBaseUrl": "https://api.codat.io",
    "CodatApiKeySecretName": "codat-sync/api-key",
    "PythonRuntime": "python3.13",
}
"""The defaults of template.yaml: what the checks assume where there is no stack yet."""


def not_deployed(name: str, aws: Aws) -> Stack:
    """Return a stack that is still to be deployed, with the defaults of the template."""
    return Stack(name, {}, BEFORE_A_DEPLOY, aws)


@dataclass(frozen=True)
class Resource:
    """A resource of the stack, by its names in the template and at AWS."""

    kind: str
    logical: str
    physical: str


@dataclass(frozen=True)
class Subject:
    """A stack, or what is to become one, and the presets file beside it.

    ``in_emulator``: the stack is that of `make local`, which lacks some services of AWS.
    """

    stack: Stack
    presets: Path
    now: Callable[[], datetime]
    in_emulator: bool = False

    def client(self, service: str) -> Any:  # noqa: ANN401  # boto3's clients have no common type.
        """Return a client of the stack's account and region."""
        session: Any = self.stack.aws.session
        return session.client(service, **self.stack.aws.connection)

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """The resources of the stack that CloudFormation has created."""
        cloudformation = self.client("cloudformation")
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack.name)
        return tuple(
            Resource(each["ResourceType"], each["LogicalResourceId"], each["PhysicalResourceId"])
            for page in pages
            for each in page["StackResourceSummaries"]
            if each.get("PhysicalResourceId")
        )

    def of_kind(self, *kinds: str) -> list[Resource]:
        """Return the resources of these types of CloudFormation."""
        return [each for each in self.resources if each.kind in kinds]
