"""Docs name no command, no path, no link and no name that is not there."""

import json
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from codat_sync.codat.models import Frequency
from codat_sync.events import company_events as events
from codat_sync.events import requests
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from local.presets import FILE, local_presets
from tests.docs.documents import DOCS, ROOT, anchors, blocks, name, prose, shell_lines, spans, text

STAGES = set(tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))) - {"version", "default"}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
MAKE_VARIABLES = set(re.findall(r"^(?:\w+: )?([A-Z_]+) \??=", MAKEFILE, re.MULTILINE)) | {"CODAT_BASE_URL"}
PATHS = re.compile(
    r"(?:\.ci|\.github|docs|events|functions|local|ops|shared|tests)/[\w./-]*|[\w-]+\.(?:md|py|toml|yaml)"
)
MERMAID = {"flowchart", "sequenceDiagram", "stateDiagram-v2"}
IDENTIFIER = re.compile(r"(?=\w*(?:_|[a-z][A-Z]))[A-Za-z_]\w*")
"""A name of the code: in snake case or camel case, or with capitals alone. A plain word is none."""
NAMES_OF_OTHERS = {"AsyncBatchProcessor", "BatchProcessor", "EventBridgeModel", "companyTags"}
"""What docs/decisions.md rejected, and Powertools has; and the filter of Codat's webhooks."""
CHANGELOG = ROOT / "CHANGELOG.md"
EVENTS = ROOT / "docs/events.md"
PRESETS = ROOT / "docs/presets.md"


@cache
def code() -> str:
    """Return the text of all files of the repository that are no documents and no tests of documents."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    paths = [ROOT / each for each in listed.stdout.splitlines() if not each.startswith("tests/docs/")]
    suffixes = {".py", ".toml", ".yaml", ".yml", ".json"}
    return "\n".join(path.read_text("utf-8") for path in paths if path.suffix in suffixes and path.exists())


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_link_and_anchor_leads_somewhere(doc: Path) -> None:
    dead = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", prose(doc)):
        path = doc.parent / target if target else doc
        if "://" in target:
            continue
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_path_is_there(doc: Path) -> None:
    words = [word for line in _code(doc) for word in re.split(r"[\s='\"]+", line)]
    named = {word for word in words if PATHS.fullmatch(word)} - {"NEW.toml"}
    assert [path for path in named if not (ROOT / path).exists() and not any(ROOT.rglob(path))] == []


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_make_target_and_variable_is_there(doc: Path) -> None:
    commands = [shlex.split(line) for line in _code(doc) if line.startswith("make ")]
    assert {word for words in commands for word in words[1:] if re.fullmatch(r"[a-z-]+", word)} <= TARGETS
    given = {word.partition("=")[0] for words in commands for word in words[1:] if re.match(r"[A-Z_]+=", word)}
    assert given <= MAKE_VARIABLES


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_stage_is_there(doc: Path) -> None:
    assert set(re.findall(r"(?:--config-env |STAGE=)([a-z]+)", text(doc))) <= STAGES


@pytest.mark.parametrize("doc", [doc for doc in DOCS if doc != CHANGELOG], ids=name)
def test_every_name_in_code_font_is_in_the_code(doc: Path) -> None:
    """The changelog also names what was removed. Headings that are reasons: see test_runbook.py."""
    named = {part for span in spans(doc) for part in span.split(".") if IDENTIFIER.fullmatch(part)}
    assert sorted(each for each in named - NAMES_OF_OTHERS if each not in code()) == []


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_diagram_is_of_a_known_type(doc: Path) -> None:
    first_words = [block.split(maxsplit=1)[0] for block in blocks(doc, "mermaid")]
    assert set(first_words) <= MERMAID
    assert len(first_words) == text(doc).count("```mermaid")


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_json_block_can_be_read(doc: Path) -> None:
    for block in blocks(doc, "json"):
        json.loads(block)


def test_the_readme_and_the_architecture_show_an_events_path() -> None:
    assert blocks(ROOT / "README.md", "mermaid")
    assert blocks(ROOT / "docs/architecture.md", "mermaid")


@pytest.mark.parametrize("doc", [each for each in DOCS if each.parent != ROOT], ids=name)
def test_every_document_is_reached_from_the_readme(doc: Path) -> None:
    linking = "".join(text(each) for each in (ROOT / "README.md", ROOT / "docs/architecture.md"))
    assert f"{doc.name})" in linking


def test_producers_are_told_of_every_event_and_every_outcome() -> None:
    asked = [requests.RECONCILIATION, events.COMPANY_RECONCILIATION, requests.CODAT_UPGRADED, requests.REDRIVE]
    named = [*events.PLAN_CHANGED, events.PLAN_CANCELLED, events.NEW_CONNECTION, *events.CODAT_CONNECTED, *Outcome]
    assert [name for name in [*named, *asked] if f"`{name}`" not in text(EVENTS)] == []


def test_the_table_of_plans_is_that_of_the_presets_that_come_with_the_project() -> None:
    """Of the copy that tests use: the packaged file belongs to the deployer."""
    plans = tomllib.loads(FILE.read_text("utf-8"))["plans"]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*?) ?\|$", text(PRESETS), re.MULTILINE)
    assert [(plan, general) for plan, general, _, _ in rows] == [
        (plan, table["frequency"]) for plan, table in plans.items()
    ]
    for plan, general, more_often, less_often in rows:
        exceptions = {_frequency(word) for word in plans[plan].get("data_types", {}).values()} - {_frequency(general)}
        oftener = {each for each in exceptions if each < _frequency(general)}
        assert _frequencies(more_often) == oftener
        assert "as `growth`" in less_often or _frequencies(less_often) == exceptions - oftener


def test_every_preset_key_is_explained() -> None:
    schema = Presets.model_json_schema()
    keys = {key for table in (schema, *schema["$defs"].values()) for key in table.get("properties", {})}
    assert sorted(key for key in keys if not re.search(rf"`\[?[\w.]*\b{key}\b", text(PRESETS))) == []


def test_the_presets_in_the_readme_can_be_used() -> None:
    (toml,) = blocks(ROOT / "README.md", "toml")
    presets = Presets.parse(f'default_plan = "scale"\non_cancelled = "scale"\n{toml}'.encode())
    assert set(presets.plans) <= set(local_presets().plans)


def test_the_changelog_begins_with_what_is_unreleased_and_then_has_the_version_of_the_project() -> None:
    released = ProjectMetadata(str(ROOT), PluginManager()).version
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text(CHANGELOG), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == released
    assert all(date for _, date in headings[1:])
    assert len(headings) == len(re.findall(r"^## ", text(CHANGELOG), re.MULTILINE))


def _code(doc: Path) -> list[str]:
    """Return what stands in code font, and the lines of shell blocks."""
    return [*spans(doc), *shell_lines(doc)]


def _frequency(word: str) -> Frequency:
    return {str(each): each for each in Frequency}[word]


def _frequencies(cell: str) -> set[Frequency]:
    return {each for each in Frequency if re.search(rf"\b{each}\b", cell)}
