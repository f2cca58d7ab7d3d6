"""The policies that people copy are ones that AWS accepts."""

import json
import re

import pytest

from codat_sync.announcements import SOURCE
from tests.policies.policies import FOLDER, NAMES, ROOT, allows, is_known, listed, statements

PLACEHOLDERS = {"ACCOUNT", "REGION", "STACK", "KEY"}


def test_there_is_a_policy_for_each_who_needs_one() -> None:
    assert NAMES == ["deployer", "key", "on-call", "producer"]


@pytest.mark.parametrize("name", NAMES)
def test_each_action_is_one_of_aws(name: str) -> None:
    assert [each for entry in statements(name) for each in listed(entry["Action"]) if not is_known(each)] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "key"])
def test_no_action_is_listed_for_a_resource_that_it_does_not_know(name: str) -> None:
    """Such a statement allows nothing, in silence."""
    plain = {each for entry in statements(name) for each in listed(entry["Action"]) if "*" not in each}
    assert sorted(each for each in plain if not allows(name, each)) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "key"])
def test_a_policy_fits_into_a_managed_policy(name: str) -> None:
    """6,144 characters, without white space.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    assert len("".join((FOLDER / f"{name}.json").read_text("utf-8").split())) <= 6144


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_has_the_present_version_and_names_for_its_statements(name: str) -> None:
    whole = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    sids = [each["Sid"] for each in whole["Statement"]]
    assert (whole["Version"], len(set(sids))) == ("2012-10-17", len(sids))
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    assert {each["Effect"] for each in whole["Statement"]} == {"Allow"}


@pytest.mark.parametrize("name", NAMES)
def test_what_has_to_be_replaced_is_said_in_the_deploy_guide(name: str) -> None:
    used = set(re.findall(r"\b[A-Z]{3,}\b", (FOLDER / f"{name}.json").read_text("utf-8"))) - {"AWS"}
    assert used <= PLACEHOLDERS
    guide = (ROOT / "docs/deploy.md").read_text("utf-8")
    assert f"policies/{name}.json" in guide
    assert [each for each in used if f"`{each}`" not in guide] == []


def test_a_producer_may_put_events_of_its_own_source_alone() -> None:
    (allowed,) = statements("producer")
    assert allowed["Action"] == "events:PutEvents"
    sources = listed(allowed["Condition"]["StringEquals"]["events:source"])
    assert SOURCE not in sources
