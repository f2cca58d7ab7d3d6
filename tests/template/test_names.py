"""No name of a resource is longer than its service allows, with the longest name of a stack that a stage may have."""

from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from ops.stage import LONGEST_STACK_NAME

RESOURCES: dict[str, Any] = cfn_yaml.load(str(Path(__file__).parents[2] / "template.yaml"))["Resources"]
NAMES = {"DashboardName", "Name", "QueueName"}
LONGEST = {
    "AWS::AppConfig::Application": 64,
    "AWS::AppConfig::DeploymentStrategy": 64,
    "AWS::CloudWatch::Dashboard": 255,
    "AWS::Events::EventBus": 256,
    "AWS::SQS::Queue": 80,
}
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html and the references of
AppConfig's CreateApplication and CreateDeploymentStrategy, EventBridge's CreateEventBus, CloudWatch's PutDashboard."""
LONGEST_REGION = "ap-southeast-1"


def left_for_the_stack(resource: dict[str, Any]) -> int | None:
    """Return the characters that are left for the stack's name; None where no name holds it."""
    for key in NAMES & resource.get("Properties", {}).keys():
        match resource["Properties"][key]:
            case {"Ref": "AWS::StackName"}:
                return LONGEST[resource["Type"]]
            case {"Fn::Sub": str(text)} if "${AWS::StackName}" in text:
                rest = text.replace("${AWS::StackName}", "").replace("${AWS::Region}", LONGEST_REGION)
                return LONGEST[resource["Type"]] - len(rest)
    return None


def test_the_longest_stack_name_is_the_one_that_all_resources_have_room_for() -> None:
    rooms = {name: left for name, each in RESOURCES.items() if (left := left_for_the_stack(each)) is not None}
    assert min(rooms.values()) == LONGEST_STACK_NAME
    assert rooms["CompanyReconciliationsQueue"] == LONGEST_STACK_NAME
    assert {"EventBus", "Dashboard", "PresetsApplication", "PresetsDeploymentStrategy"} < rooms.keys()
