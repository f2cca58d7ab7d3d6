"""The policies in docs/policies/, and what each of them allows, by AWS's own list of actions and resources."""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs/policies"
NAMES: Final = sorted(path.stem for path in FOLDER.glob("*.json"))
_PARTS: Final = {"Partition": "aws", "Region": "REGION", "Account": "ACCOUNT"}


def statements(name: str) -> list[Mapping[str, Any]]:
    """Return the statements of a policy, all of which allow something."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["Statement"]  # type: ignore[no-any-return]  # JSON.


def listed(value: str | list[str]) -> list[str]:
    """Return what a policy may write as one text or as a list of them."""
    return [value] if isinstance(value, str) else value


def allows(name: str, action: str) -> bool:
    """Tell whether a policy allows an action on a resource that the action knows.

    What an action knows is in the authorization reference, of which cfn-lint has a copy:
    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    return any(
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(each["Action"]))
        and any(_applies(action, resource) for resource in listed(each["Resource"]))
        for each in statements(name)
    )


def is_known(pattern: str) -> bool:
    """Tell whether AWS has an action that a pattern matches."""
    service, _, name = pattern.partition(":")
    return any(fnmatchcase(each, name.lower()) for each in _reference().get(service, {}).get("Actions", {}))


def _applies(action: str, resource: str) -> bool:
    """Tell whether an action knows resources of which some are meant."""
    if resource == "*":
        return True
    service, _, name = action.partition(":")
    known = _reference()[service]
    formats = {kind.lower(): each["ARNFormats"] for kind, each in known["Resources"].items()}
    kinds = known["Actions"].get(name.lower(), {}).get("Resources", [])
    return any(_overlap(resource, each) for kind in kinds for each in formats[kind.rstrip("*").lower()])


def _overlap(resource: str, known: str) -> bool:
    """Tell whether an ARN with wildcards and a form of ARNs, such as ``arn:${Partition}:sqs:.*``, can mean the same."""
    example = re.sub(r"\$\{(\w+)\}", lambda part: _PARTS.get(part[1], "x"), known).replace(".*", "x")
    form = re.sub(r"\$\{\w+\}", "[^:]*", known)
    # A wildcard may stand for several parts of an ARN.
    meant = (resource.replace("*", each) for each in ("x", "x/x", "x:x", "x/x/x/x"))
    return fnmatchcase(example, resource) or any(re.fullmatch(form, each) for each in meant)


@cache
def _reference() -> dict[str, Any]:
    text = (files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]  # JSON.
