"""A stack whose AWS gives answers that the test has written; botocore validates each against AWS's own model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from ops.doctor.subject import Resource, Subject
from ops.stack import Aws, Stack

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Answers:
    """A boto3 session whose clients give scripted answers, and fail at a call that is not scripted."""

    region_name: str | None = "eu-west-2"
    stubs: dict[str, Stubber] = field(default_factory=dict)

    def client(self, service: str, **_: object) -> Any:  # noqa: ANN401
        return self.to(service).client

    def to(self, service: str) -> Stubber:
        """Return the stub of a service, for adding answers."""
        if service not in self.stubs:
            self.stubs[service] = Stubber(boto3.client(service, region_name="eu-west-2"))  # type: ignore[call-overload]
            self.stubs[service].activate()
        return self.stubs[service]

    def add(
        self, service: str, operation: str, answer: Mapping[str, Any], asked: Mapping[str, Any] | None = None
    ) -> None:
        """Script the next answer of a service."""
        self.to(service).add_response(operation, dict(answer), None if asked is None else dict(asked))

    def refuse(self, service: str, operation: str, code: str) -> None:
        """Script a refusal as the next answer of a service."""
        self.to(service).add_client_error(operation, code, "no")


def subject_of(
    answers: Answers,
    *resources: tuple[str, str, str],
    parameters: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    presets: Path = Path("presets.toml"),
    in_emulator: bool = False,
) -> Subject:
    """Return a stack of these resources: type, logical id and physical id of each."""
    session: Any = answers
    stack = Stack("codat-sync", outputs or {}, parameters or {}, Aws(session, {}))
    subject = Subject(stack, presets, lambda: NOW, in_emulator=in_emulator)
    subject.__dict__["resources"] = tuple(Resource(f"AWS::{kind}", *ids) for kind, *ids in resources)
    return subject
