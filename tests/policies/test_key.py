"""With docs/policies/key.json, every service and role that meets the customer's key may use it."""

import re
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from tests.policies.policies import listed, statements
from tests.template.translation import translated

TEMPLATE = translated()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BY_IAM: Final = ("", frozenset[str]())
"""The service uses the key in the name of the role or the person that calls it, whose own IAM policy allows it."""
USERS: Final = {
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
    "AWS::Events::EventBus": ("events.amazonaws.com", {"kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"}),
    # Rules send to the queues.
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    "AWS::SQS::Queue": ("events.amazonaws.com", {"kms:GenerateDataKey", "kms:Decrypt"}),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    "AWS::Logs::LogGroup": (
        "logs.REGION.amazonaws.com",
        {
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:GenerateDataKey",
            "kms:DescribeKey",
        },
    ),
    # Alarms publish to the topic. https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    "AWS::SNS::Topic": ("cloudwatch.amazonaws.com", {"kms:GenerateDataKey", "kms:Decrypt"}),
    "AWS::DynamoDB::Table": BY_IAM,
    "AWS::Lambda::Function": BY_IAM,
    "AWS::AppConfig::ConfigurationProfile": BY_IAM,
    "AWS::IAM::ManagedPolicy": BY_IAM,
    "AWS::IAM::Role": BY_IAM,
}
"""Who uses the key for a resource of each type, and for what."""


def allows(service: str, action: str) -> bool:
    """Tell whether the key's policy allows an action to a service."""
    return any(
        each["Principal"].get("Service") == service
        and any(fnmatchcase(action, pattern) for pattern in listed(each["Action"]))
        for each in statements("key")
    )


def test_every_type_that_names_the_key_is_known_here() -> None:
    """A new type has to say which service uses the key for it."""
    assert {each["Type"] for each in RESOURCES.values() if "'KmsKeyArn'" in str(each)} == set(USERS)


@pytest.mark.parametrize("kind", [kind for kind, user in USERS.items() if user is not BY_IAM])
def test_the_service_of_each_type_may_use_the_key(kind: str) -> None:
    service, actions = USERS[kind]
    assert sorted(action for action in actions if not allows(service, action)) == []


@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
def test_schedules_may_send_to_the_dlq(action: str) -> None:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/troubleshooting.html"""
    assert "AWS::Scheduler::Schedule" in {each["Type"] for each in RESOURCES.values()}
    assert allows("scheduler.amazonaws.com", action)


def test_roles_and_people_use_the_key_by_their_iam_policies() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    (account,) = [each for each in statements("key") if "AWS" in each["Principal"]]
    assert account["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:root"}
    assert account["Action"] == "kms:*"


def test_eventbridge_has_no_condition_that_its_deliveries_do_not_meet() -> None:
    """AWS does not support aws:SourceAccount and the like for deliveries to encrypted targets.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    (events,) = [each for each in statements("key") if each["Principal"].get("Service") == "events.amazonaws.com"]
    assert "Condition" not in events


def test_alarms_and_logs_of_other_accounts_and_stacks_may_not_use_the_key() -> None:
    conditions = {each["Sid"]: each.get("Condition") for each in statements("key")}
    assert conditions["Alarms"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
    assert conditions["Logs"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:REGION:ACCOUNT:log-group:STACK-*"}
    }


@pytest.mark.parametrize(
    ("arn", "accepted"),
    [
        ("", True),
        ("arn:aws:kms:eu-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", True),
        ("arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab", True),
        ("arn:aws:kms:eu-west-2:123456789012:alias/codat-sync", False),
        ("alias/codat-sync", False),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", False),
    ],
)
def test_the_stack_takes_the_arn_of_a_key_and_no_alias(arn: str, accepted: bool) -> None:  # noqa: FBT001
    """An IAM policy cannot name a key by its alias.

    https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html
    """
    assert bool(re.search(TEMPLATE["Parameters"]["KmsKeyArn"]["AllowedPattern"], arn)) == accepted
