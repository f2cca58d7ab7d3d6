"""Docs name no command and no path that is not there."""

import re
import tomllib
from pathlib import Path

import pytest

from codat_sync.events import company_events as events
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from local.presets import local_presets

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
STAGES = set(tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))) - {"version", "default"}
PATHS = re.compile(r"`((?:shared|functions|events|tests|local|docs|ops|\.ci)/[\w./<>-]*|[\w-]+\.(?:toml|yaml|md))`")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("doc", DOCS, ids=ids)
def test_every_link_leads_somewhere(doc: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", doc.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (doc.parent / link).exists()] == []


@pytest.mark.parametrize("doc", DOCS, ids=ids)
def test_every_path_is_there(doc: Path) -> None:
    named = set(PATHS.findall(doc.read_text("utf-8")))
    assert [path for path in named if not (ROOT / path).exists() and not list(ROOT.rglob(path))] == []


@pytest.mark.parametrize("doc", DOCS, ids=ids)
def test_every_make_target_is_there(doc: Path) -> None:
    assert set(re.findall(r"\bmake ([a-z-]+)\b", _code(doc))) <= TARGETS


@pytest.mark.parametrize("doc", DOCS, ids=ids)
def test_every_stage_is_there(doc: Path) -> None:
    assert set(re.findall(r"--config-env (\w+)", doc.read_text("utf-8"))) <= STAGES


def test_the_readme_names_every_event_and_every_outcome() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = [*events.PLAN_CHANGED, events.PLAN_CANCELLED, events.NEW_CONNECTION, *events.CODAT_CONNECTED, *Outcome]
    assert [name for name in named if f"`{name}`" not in readme] == []


def test_the_presets_of_the_readme_and_of_the_docs_are_the_real_ones() -> None:
    plans = local_presets().plans
    table = (ROOT / "docs/presets.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| \w+ \|", table, re.MULTILINE) == list(plans)


def test_the_presets_in_the_readme_can_be_used() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    Presets.parse(f'default_plan = "scale"\non_cancelled = "scale"\n{toml}'.encode())


def _code(doc: Path) -> str:
    """What stands in code, where "make" is the command."""
    return "\n".join(re.findall(r"```.*?```|`[^`]+`", doc.read_text("utf-8"), re.DOTALL))
