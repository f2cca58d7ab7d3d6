"""The policy of the KMS key."""

import json

import pytest

from ops.doctor.finding import Light
from ops.doctor.key import NEEDED, key_policy
from tests.docs.documents import ROOT
from tests.ops.doctor.stubbed import Answers, subject_of

ARN = "arn:aws:kms:eu-west-2:123456789012:key/8a21"
SERVICES = {
    "Effect": "Allow",
    "Principal": {"Service": ["events.amazonaws.com", "scheduler.amazonaws.com", "cloudwatch.amazonaws.com"]},
    "Action": ["kms:GenerateDataKey*", "kms:Decrypt", "kms:DescribeKey"],
    "Resource": "*",
}
LOGS = {
    "Effect": "Allow",
    "Principal": {"Service": "logs.eu-west-2.amazonaws.com"},
    "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
    "Resource": "*",
}
DENIED = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
OVER_TLS = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(
    ("statements", "light", "words"),
    [
        ([SERVICES, LOGS], Light.GREEN, "4 services"),
        ([SERVICES, LOGS, DENIED | {"Condition": OVER_TLS}], Light.GREEN, "4 services"),
        ([SERVICES], Light.RED, "logs.eu-west-2.amazonaws.com (kms:Encrypt, "),
        (
            [SERVICES | {"Action": "kms:Decrypt"}, LOGS],
            Light.RED,
            "events.amazonaws.com (kms:GenerateDataKey, kms:DescribeKey)",
        ),
        ([SERVICES, LOGS, DENIED], Light.RED, "cloudwatch.amazonaws.com (kms:Decrypt)"),
        ([SERVICES | {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, LOGS], Light.RED, "scheduler"),
    ],
    ids=["whole", "TLS only", "no logs", "one action", "denied", "the account alone"],
)
def test_the_policy_allows_what_the_services_need(statements: list[object], light: Light, words: str) -> None:
    answers = Answers()
    answers.add("kms", "describe_key", {"KeyMetadata": {"KeyId": ARN, "KeyState": "Enabled"}})
    answers.add("kms", "get_key_policy", {"Policy": json.dumps({"Statement": statements})})
    finding = key_policy(subject_of(answers, parameters={"KmsKeyArn": ARN}))
    assert finding.light is light
    assert words in finding.words


def test_a_key_that_is_disabled_is_red() -> None:
    answers = Answers()
    answers.add("kms", "describe_key", {"KeyMetadata": {"KeyId": ARN, "KeyState": "PendingDeletion"}})
    finding = key_policy(subject_of(answers, parameters={"KmsKeyArn": ARN}))
    assert (finding.light, finding.words) == (Light.RED, f"{ARN} is PendingDeletion")


def test_without_a_key_of_ones_own_nothing_is_asked() -> None:
    assert key_policy(subject_of(Answers(), parameters={"KmsKeyArn": ""})).light is Light.GREEN


def test_the_policy_to_copy_allows_what_the_services_need_and_names_no_other_service() -> None:
    copied = (ROOT / "docs/policies/key.json").read_text("utf-8").replace("REGION", "eu-west-2")
    answers = Answers()
    answers.add("kms", "describe_key", {"KeyMetadata": {"KeyId": ARN, "KeyState": "Enabled"}})
    answers.add("kms", "get_key_policy", {"Policy": copied})
    assert key_policy(subject_of(answers, parameters={"KmsKeyArn": ARN})).light is Light.GREEN
    named = {each["Principal"].get("Service") for each in json.loads(copied)["Statement"]} - {None}
    assert named == {service.format(region="eu-west-2") for service in NEEDED}
