"""A budget is an option, and never one that notifies nobody."""

from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

TEMPLATE: dict[str, Any] = cfn_yaml.load(str(Path(__file__).parents[2] / "template.yaml"))
BUDGET: dict[str, Any] = TEMPLATE["Resources"]["Budget"]
IS_SET = {"Fn::Not": [{"Fn::Equals": [{"Ref": "MonthlyBudget"}, 0]}]}


def test_there_is_no_budget_by_default() -> None:
    assert BUDGET["Condition"] == "HasBudget"
    assert (TEMPLATE["Conditions"]["HasBudget"], TEMPLATE["Parameters"]["MonthlyBudget"]["Default"]) == (IS_SET, 0)


def test_a_budget_without_a_recipient_is_refused() -> None:
    rule = TEMPLATE["Rules"]["BudgetNeedsRecipient"]
    (assertion,) = rule["Assertions"]
    recipients = [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]} for parameter in ("AlarmEmail", "AlarmTopicArn")
    ]
    assert (rule["RuleCondition"], assertion["Assert"]) == (IS_SET, {"Fn::Or": recipients})


def test_actual_and_forecast_costs_are_notified_to_the_recipient_of_the_alarms() -> None:
    """By e-mail straight from AWS Budgets: the stack's topic has no policy that lets it publish.

    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html
    """
    notified = BUDGET["Properties"]["NotificationsWithSubscribers"]
    subscriber = {
        "SubscriptionType": {"Fn::If": ["OwnAlarmTopic", "EMAIL", "SNS"]},
        "Address": {"Fn::If": ["OwnAlarmTopic", {"Ref": "AlarmEmail"}, {"Ref": "AlarmTopicArn"}]},
    }
    assert [each["Notification"]["NotificationType"] for each in notified] == ["ACTUAL", "FORECASTED"]
    assert [each["Subscribers"] for each in notified] == [[subscriber], [subscriber]]
