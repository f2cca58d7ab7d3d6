"""Whoever has docs/policies/deployer.json may deploy the stack, change it and delete it."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest
import samcli
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.policies.calls import actions_of
from tests.policies.policies import allows
from tests.template.translation import translated

RESOURCES = translated()["Resources"]
TYPES = sorted({each["Type"] for each in RESOURCES.values()})
UNUSED: Final = {
    "dynamodb:AssociateTableReplica": "The table is in one region.",
    "dynamodb:CreateTableReplica": "The table is in one region.",
    "dynamodb:*Item": "The table is not imported, and its data is none of the deployer's business.",
    "dynamodb:Query": "The same.",
    "dynamodb:Scan": "The same.",
    "dynamodb:ImportTable": "The same.",
    "dynamodb:*KinesisStreamingDestination": "The table has no stream.",
    "dynamodb:*PutResourcePolicy": "The table has no policy of its own.",
    "dynamodb:DeleteResourcePolicy": "The table has no policy of its own.",
    "kinesis:*": "The table has no stream.",
    "firehose:*": "No log group is sent on.",
    "ec2:*": "No function is in a VPC.",
    "elasticfilesystem:*": "No function mounts a file system.",
    "s3files:*": "No function mounts a file system.",
    "s3:REST.PUT.OBJECT": "No action of IAM.",
    "s3:GetObjectMetadata": "No action of IAM.",
    "billing:GetBillingViewData": "The budget has no billing view of its own.",
    "iam:*GroupPolicy": "The managed policy is attached to roles alone.",
    "iam:*UserPolicy": "The managed policy is attached to roles alone.",
    "iam:CreateServiceLinkedRole": "Autoscaling of the table's capacity would need one.",
    "kms:ReEncrypt": "No action of IAM: ReEncryptFrom and ReEncryptTo are.",
    "kms:ListAliases": "KmsKeyArn is no alias.",
    "lambda:AssociateRuntimeAlias": "No action of IAM.",
    "lambda:PassCapacityProvider": "No function has a capacity provider.",
    "lambda:GetCodeSigningConfig": "No function has code signing.",
    "logs:CreateLogStream": "The table is not imported.",
    "logs:DescribeLogStreams": "The table is not imported.",
    "logs:PutLogEvents": "The table is not imported.",
    "logs:CreateLogDelivery": "No log group is sent on.",
    "logs:*ResourcePolicy": "No log group has a policy of its own.",
    "logs:DescribeResourcePolicies": "No log group has a policy of its own.",
    "logs:PutDataProtectionPolicy": "No log group masks data.",
    "logs:DeleteDataProtectionPolicy": "No log group masks data.",
    "logs:PutIndexPolicy": "No log group has an index.",
    "logs:DeleteIndexPolicy": "No log group has an index.",
    "logs:PutBearerTokenAuthentication": "No log group takes bearer tokens.",
    "events:PutPermission": "The bus has no policy.",
    "events:RemovePermission": "The bus has no policy.",
    "codedeploy:RegisterOnPremisesInstance": "Functions are no instances.",
}
"""What CloudFormation's types ask for and this template does not use, and why."""


def needed(kind: str) -> set[str]:
    """Return the actions with which CloudFormation creates, reads, updates and deletes a resource of this type.

    The schema of the type lists them. https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
    """
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers", {})
    return {action for name, each in handlers.items() if name != "list" for action in each["permissions"]}


@pytest.mark.parametrize("kind", TYPES)
def test_the_deployer_may_do_what_cloudformation_does_with_a_resource(kind: str) -> None:
    asked = {each for each in needed(kind) if not any(fnmatchcase(each, unused) for unused in UNUSED)}
    assert sorted(each for each in asked if not allows("deployer", each)) == []


def test_no_type_is_unchecked_for_want_of_handlers() -> None:
    assert [kind for kind in TYPES if not needed(kind)] == []


def test_what_is_unused_is_still_asked_for() -> None:
    asked = {action for kind in TYPES for action in needed(kind)}
    assert [each for each in UNUSED if not any(fnmatchcase(action, each) for action in asked)] == []


def test_the_deployer_may_do_what_the_sam_cli_does() -> None:
    code = Path(samcli.__file__).parent
    modules = [
        code / "lib/deploy/deployer.py",
        code / "lib/package/s3_uploader.py",
        code / "lib/utils/managed_cloudformation_stack.py",
        code / "lib/delete/cfn_utils.py",
        *(code / "commands/deploy").glob("*.py"),
    ]
    found = actions_of(modules)
    assert {"cloudformation:CreateChangeSet", "cloudformation:DeleteStack", "s3:ListBucket"} <= found
    never = {"sts:GetCallerIdentity"}  # It needs no permission.
    assert sorted(each for each in found - never if not allows("deployer", each)) == []


def test_the_deployer_may_pass_the_roles_of_the_stack_and_no_others() -> None:
    assert allows("deployer", "iam:PassRole")
    assert not allows("deployer", "iam:CreateUser")
