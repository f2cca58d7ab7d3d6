"""Checks of the parts that CloudFormation has created: they are there, and nobody has switched one off since."""

from collections.abc import Mapping
from typing import Any, Final

from ops.doctor.finding import Finding, green, red, yellow
from ops.doctor.subject import Subject

_SETTLED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_ON_THE_DEFAULT_BUS: Final = frozenset({"PresetsDeployedRule"})
_ALIAS: Final = "Aliaslive"
"""How SAM ends the logical id of the alias `live` of a function.
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html
"""


def status(subject: Subject) -> Finding:
    """Check that the last deploy came to a good end."""
    cloudformation = subject.client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=subject.stack.name)["Stacks"]
    state = stack["StackStatus"]
    words = f"{subject.stack.name}: {state}"
    if state in _SETTLED:
        return green(words)
    if state.endswith("_IN_PROGRESS"):
        return yellow(words, "a deploy is under way: look again once it has ended")
    if state == "UPDATE_ROLLBACK_COMPLETE":
        return yellow(words, "the last deploy was taken back: read the stack's events for its reason, and deploy again")
    return red(words, "read the stack's events for the reason; a first deploy that failed has to be deleted")


def bus(subject: Subject) -> Finding:
    """Check that the bus is there, and that the stack's rules on it are enabled."""
    events, name = subject.client("events"), subject.stack.output("EventBusName")
    try:
        events.describe_event_bus(Name=name)
    except events.exceptions.ResourceNotFoundException:
        return red(f"there is no bus {name}", "deploy the stack again; a bus given by EventBusName has to exist")
    pages = events.get_paginator("list_rules").paginate(EventBusName=name)
    states = {rule["Name"]: rule["State"] for page in pages for rule in page["Rules"]}
    ours = _rules(subject)
    disabled = sorted(rule for rule in ours if states.get(rule) == "DISABLED")
    if disabled:
        return red(f"rules are disabled: {', '.join(disabled)}", "enable them: `aws events enable-rule`")
    missing = sorted(ours - states.keys())
    if missing or not ours:
        return red(
            f"the bus {name} has not all rules; missing: {', '.join(missing) or 'all'}", "deploy the stack again"
        )
    return green(f"{name}: {len(ours)} rules enabled")


def mappings(subject: Subject) -> Finding:
    """Check that every queue is read by its function."""
    found = _mappings(subject)
    if not found:
        return red("no function reads a queue", "deploy the stack again")
    states = {_function(mapping): mapping["State"] for mapping in found}
    stopped = sorted(name for name, state in states.items() if state in {"Disabled", "Disabling", "Deleting"})
    if stopped:
        return red(f"disabled for {', '.join(stopped)}", "`aws lambda update-event-source-mapping --enabled --uuid …`")
    changing = sorted(f"{name} ({state})" for name, state in states.items() if state != "Enabled")
    if changing:
        return yellow(f"changing for {', '.join(changing)}", "look again in a minute")
    return green(f"{len(found)} enabled")


def weights(subject: Subject) -> Finding:
    """Check that no gradual deployment is under way, which splits the events between two versions."""
    functions = {each.logical: each.physical for each in subject.of_kind("AWS::Lambda::Function")}
    aliases = [each.logical.removesuffix(_ALIAS) for each in subject.of_kind("AWS::Lambda::Alias")]
    client, split = subject.client("lambda"), []
    for logical in sorted(aliases):
        alias = client.get_alias(FunctionName=functions[logical], Name="live")
        extra: Mapping[str, float] = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        split += [f"{logical}: {weight:.0%} to version {version}" for version, weight in extra.items()]
    if split:
        return yellow("; ".join(split), "wait for CodeDeploy to end; if it has, move the alias to one version")
    return green(f"{len(aliases)} functions, each at one version")


def concurrency(subject: Subject) -> Finding:
    """Check that the account lets the stack's functions run as many at a time as they may."""
    free = subject.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    needed = sum(int(each.get("ScalingConfig", {}).get("MaximumConcurrency", 1)) for each in _mappings(subject))
    words = (
        f"the account leaves {free:,} concurrent executions to all functions; those of the stack may take {needed:,}"
    )
    if free > needed:
        return green(words)
    return red(words, "ask AWS for a higher quota (Lambda, Concurrent executions), or lower MaximumConcurrency")


def _rules(subject: Subject) -> set[str]:
    """Return the names of the stack's rules on its bus.

    CloudFormation's id of a rule on a custom bus is "bus|rule". That of AppConfig's own events is on the default bus.
    """
    on_the_bus = [each for each in subject.of_kind("AWS::Events::Rule") if each.logical not in _ON_THE_DEFAULT_BUS]
    return {each.physical.rpartition("|")[2] for each in on_the_bus}


def _function(mapping: Mapping[str, Any]) -> str:
    """Return the name of the function that a mapping invokes by its alias."""
    return str(mapping["FunctionArn"].split(":")[6])


def _mappings(subject: Subject) -> list[Mapping[str, Any]]:
    client = subject.client("lambda")
    return [
        client.get_event_source_mapping(UUID=each.physical)
        for each in subject.of_kind("AWS::Lambda::EventSourceMapping")
    ]
