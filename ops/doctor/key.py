"""Whether the KMS key lets the services use it that encrypt the stack's parts."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from ops.doctor.finding import Finding, green, red
from ops.doctor.subject import Subject

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "events.amazonaws.com": ("kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"),
    "scheduler.amazonaws.com": ("kms:GenerateDataKey", "kms:Decrypt"),
    "cloudwatch.amazonaws.com": ("kms:GenerateDataKey", "kms:Decrypt"),
    "logs.{region}.amazonaws.com": (
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:DescribeKey",
    ),
}
"""What each service has to be allowed, as docs/policies/key.json does."""


def key_policy(subject: Subject) -> Finding:
    """Check that the key is enabled, and that its policy allows what the services need.

    Conditions are not evaluated: what is allowed under one counts as allowed, and what is denied under one counts as
    not denied.
    """
    arn = subject.stack.parameters.get("KmsKeyArn", "")
    if not arn:
        return green("none of your own: AWS's keys encrypt the stack")
    kms = subject.client("kms")
    state = kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    if state != "Enabled":
        return red(f"{arn} is {state}", "enable it, or deploy with another KmsKeyArn; events wait meanwhile")
    policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
    region = arn.split(":")[3]
    needed = {service.format(region=region): actions for service, actions in NEEDED.items()}
    missing = [
        f"{service} ({', '.join(lacking)})"
        for service, actions in needed.items()
        if (lacking := [action for action in actions if not _allows(policy, service, action)])
    ]
    if missing:
        return red(f"its policy does not allow {'; '.join(missing)}", "add it: docs/deploy.md, A key of your own")
    return green(f"enabled, and its policy allows what {len(needed)} services need")


def _allows(policy: Mapping[str, Any], service: str, action: str) -> bool:
    statements = [each for each in _listed(policy["Statement"]) if _concerns(each, service, action)]
    effects = {each["Effect"] for each in statements if not (each["Effect"] == "Deny" and "Condition" in each)}
    return effects == {"Allow"}


def _concerns(statement: Mapping[str, Any], service: str, action: str) -> bool:
    principal = statement.get("Principal", {})
    services = [principal] if isinstance(principal, str) else _listed(principal.get("Service", ()))
    patterns = _listed(statement.get("Action", ()))
    return bool({"*", service} & set(services)) and any(
        fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns
    )


def _listed(value: Any) -> list[Any]:  # noqa: ANN401  # JSON of IAM: one thing, or a list of them.
    return list(value) if isinstance(value, list | tuple) else [value]
