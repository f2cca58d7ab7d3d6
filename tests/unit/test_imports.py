"""The shape of the house: imports run one way, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "shared" / "codat_sync"

# Each module, and what it may import of this package.
ALLOWED = {
    "codat": set(),
    "events": {"codat"},
    "config": {"codat"},
    "api_key": set(),
    "presets": {"codat"},
    "company_plans": {"events"},
    "convergence": {"codat", "company_plans", "events", "presets"},
    "triage": {"api_key", "codat", "company_plans", "convergence", "events", "presets"},
    "observability": {"codat", "triage"},
    "dead_letters": {"triage"},
    "deferral": {"observability"},
    "consumer": {
        "codat",
        "company_plans",
        "convergence",
        "dead_letters",
        "deferral",
        "events",
        "observability",
        "triage",
    },
    "announcements": {"codat", "company_plans", "consumer", "findings", "observability", "triage"},
    "live_presets": {"consumer", "duties", "observability", "presets"},
    "duties": {"consumer", "dead_letters", "deferral", "events", "observability", "triage"},
    "parked_events": {"deferral", "observability"},
    "findings": {"api_key", "codat", "company_plans", "presets", "triage"},
    "company_reconciliations": {"deferral", "events"},
    "pace": {"codat"},
    "reconciliation_runs": {"company_plans", "consumer", "events", "triage"},
    "reconciliation": {
        "codat",
        "company_plans",
        "company_reconciliations",
        "consumer",
        "convergence",
        "events",
        "findings",
        "observability",
        "pace",
        "presets",
        "reconciliation_runs",
        "triage",
    },
    "pause": {"codat", "convergence", "observability"},
    "redrive": {
        "announcements",
        "codat",
        "company_plans",
        "consumer",
        "convergence",
        "duties",
        "events",
        "observability",
        "pace",
        "parked_events",
        "pause",
        "presets",
        "triage",
    },
    "wiring": {
        "announcements",
        "api_key",
        "codat",
        "company_plans",
        "company_reconciliations",
        "config",
        "consumer",
        "convergence",
        "dead_letters",
        "deferral",
        "duties",
        "events",
        "live_presets",
        "observability",
        "pace",
        "parked_events",
        "pause",
        "presets",
        "reconciliation",
        "reconciliation_runs",
        "redrive",
        "triage",
    },
    "functions": {"config", "consumer", "duties", "events", "live_presets", "presets", "wiring"},
}
MODULES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py") if path.is_relative_to(PACKAGE) else "functions"


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names


@pytest.mark.parametrize(
    "path", [*MODULES, *ROOT.glob("functions/*/app.py")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_run_one_way(path: Path) -> None:
    own = {name.split(".")[1] for name in imports_of(path) if name.startswith("codat_sync.")}
    assert own - {layer_of(path)} <= ALLOWED[layer_of(path)]


def test_the_allowed_imports_have_no_circle() -> None:
    seen: list[str] = []
    rest = dict(ALLOWED)
    while rest:
        free = [name for name, needed in rest.items() if needed <= set(seen)]
        assert free, f"a circle among {sorted(rest)}"
        seen += free
        rest = {name: needed for name, needed in rest.items() if name not in free}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_codat_knows_nothing_of_aws(path: Path) -> None:
    if layer_of(path) in {"codat", "presets", "events", "convergence", "triage"}:
        assert not {name for name in imports_of(path) if name.startswith(("boto", "aws_"))}


def test_importing_does_nothing() -> None:
    """No client, no session, no logger, and no look at the environment from our own code."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("functions/*/app.py")]
    trap = f"""
import os, sys, boto3, requests
from aws_lambda_powertools import Logger, Metrics
def forbidden(*_, **__): raise AssertionError("importing did something")
boto3.client = boto3.resource = boto3.Session = requests.Session = forbidden
Logger.__init__ = Metrics.__init__ = forbidden
class Environment(dict):
    def __getitem__(self, name):
        caller = sys._getframe(1).f_globals["__name__"]
        if caller.startswith(("codat_sync", "functions")): forbidden()
        return super().__getitem__(name)
    def get(self, name, default=None):
        return self[name] if name in self else default
os.environ = Environment(os.environ)
for name in {modules!r}: __import__(name)
assert "codat_sync.wiring" in sys.modules
"""
    subprocess.run(  # noqa: S603  # This very interpreter, on the text above.
        [sys.executable, "-W", "error", "-c", trap],
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{PACKAGE.parent}:{ROOT}", "AWS_DEFAULT_REGION": "eu-west-2"},
    )
