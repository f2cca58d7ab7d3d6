"""The architecture: which room may use which, what is private to a room, and that importing does nothing."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "shared" / "codat_sync"

# Each room of the layer, a package or a module beside the packages, and the rooms that it may use.
LAYER_ROOMS = {
    "errors": set[str](),
    "deadline": {"errors"},
    "codat": {"errors", "deadline"},
    "aws": {"errors", "deadline"},
    "callers": {"errors"},
    "api_key": {"errors", "aws"},
    "config": {"errors", "codat"},
    "observability": {"codat"},
    "events": {"errors", "codat"},
    "presets": {"errors", "observability", "codat"},
    "sources": {"errors", "events"},
    "outcomes": {"errors", "deadline", "aws", "observability", "codat"},
    "companies": {"errors", "deadline", "observability", "codat", "events", "presets"},
    "consuming": {"errors", "deadline", "aws", "observability", "codat", "events", "presets", "outcomes", "companies"},
    "reconciliation": {
        *("errors", "deadline", "api_key", "observability"),
        *("codat", "events", "presets", "outcomes", "companies", "consuming"),
    },
    "announcements": {"observability", "codat", "outcomes", "companies", "consuming", "reconciliation"},
    "redrive": {
        *("deadline", "observability"),
        *("codat", "events", "presets", "outcomes", "companies", "consuming", "announcements"),
    },
    "wiring": {
        *("deadline", "aws", "api_key", "config", "observability", "announcements"),
        *("codat", "events", "presets", "outcomes", "companies", "consuming", "reconciliation", "redrive"),
    },
}
# The roots of all code of ours, and the roots that each may use.
ROOTS = {
    "codat_sync": set[str](),
    "functions": {"codat_sync"},
    "ops": {"codat_sync"},
    "local": {"codat_sync", "ops"},
    "tests": {"codat_sync", "functions", "ops", "local"},
}
# What one room may use of another, within these roots.
LOCAL_ROOMS = {
    "presets": set[str](),
    "prices": set[str](),
    "event_schemas": set[str](),
    "codat_simulator": set[str](),
    "aws": {"codat_simulator"},
    "demo": {"aws", "codat_simulator", "presets"},
    "chaos": {"aws", "codat_simulator", "presets"},
    "bench": {"aws", "codat_simulator", "presets", "prices", "simulation"},
    "cost": {"bench", "prices"},
    "dashboard": {"aws"},
    "simulation": {"presets"},
    "__main__": {"aws"},
}
OPS_ROOMS = {"cli": {"use cases"}, "use cases": set[str](), "__main__": {"cli"}}
PURE = {
    "errors",
    "deadline",
    "codat",
    "events",
    "sources",
    "outcomes/triage",
    "presets/preset",
    "presets/file",
    "companies/converge",
}


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


CODE = sources(LAYER, *(ROOT / name for name in ("functions", "ops", "local")))
PACKAGES = [path for path in CODE if path.name == "__init__.py"]
DOORS = [path for path in PACKAGES if path.parent.parent == LAYER]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> set[str]:
    """Return every module or name that a file imports, dotted."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(path: Path) -> str:
    base = LAYER.parent if path.is_relative_to(LAYER) else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts)


def rooms_used(path: Path, root: str) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith(f"{root}.")} - {"__version__"}


@pytest.mark.parametrize("path", sources(LAYER), ids=named)
def test_a_room_of_the_layer_uses_only_what_the_table_allows(path: Path) -> None:
    if path == LAYER / "__init__.py":
        return
    room = path.relative_to(LAYER).parts[0].removesuffix(".py")
    assert rooms_used(path, "codat_sync") - {room} <= LAYER_ROOMS[room]


@pytest.mark.parametrize("path", sources(ROOT / "local"), ids=named)
def test_a_room_of_the_local_stack_uses_only_what_the_table_allows(path: Path) -> None:
    if path == ROOT / "local/__init__.py":
        return
    room = path.relative_to(ROOT / "local").parts[0].removesuffix(".py")
    assert rooms_used(path, "local") - {room} <= LOCAL_ROOMS[room]


@pytest.mark.parametrize("path", sources(ROOT / "ops"), ids=named)
def test_a_use_case_of_the_on_call_imports_no_command(path: Path) -> None:
    if path.parent == ROOT / "ops" and path.name not in {"__main__.py", "__init__.py"}:
        assert "cli" not in rooms_used(path, "ops")


@pytest.mark.parametrize("path", CODE, ids=named)
def test_the_layer_imports_no_other_root_and_no_root_imports_the_tests(path: Path) -> None:
    root = "codat_sync" if path.is_relative_to(LAYER) else path.relative_to(ROOT).parts[0]
    used = {name.split(".")[0] for name in imports_of(path)} & ROOTS.keys()
    assert used - {root} <= ROOTS[root]


@pytest.mark.parametrize("table", [LAYER_ROOMS, LOCAL_ROOMS, ROOTS], ids=["layer", "local", "roots"])
def test_the_allowed_imports_have_no_circle(table: dict[str, set[str]]) -> None:
    seen: set[str] = set()
    rest = dict(table)
    while rest:
        free = {name for name, needed in rest.items() if needed <= seen}
        assert free, f"a circle among {sorted(rest)}"
        seen |= free
        rest = {name: needed for name, needed in rest.items() if name not in free}


def test_the_table_allows_no_more_than_is_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in LAYER_ROOMS}
    for path in sources(LAYER):
        if path != LAYER / "__init__.py":
            room = path.relative_to(LAYER).parts[0].removesuffix(".py")
            used[room] |= rooms_used(path, "codat_sync") - {room}
    assert used == LAYER_ROOMS


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_private_module_is_imported_in_its_own_room_only(path: Path) -> None:
    package = module_of(path).rpartition(".")[0]
    ours = [name.split(".") for name in imports_of(path) if name.split(".")[0] in ROOTS]
    private = [parts for parts in ours if any(part.startswith("_") and part != "__version__" for part in parts)]
    for parts in private:
        (first, *_) = [number for number, part in enumerate(parts) if part.startswith("_")]
        assert ".".join(parts[:first]) == package


@pytest.mark.parametrize("path", PACKAGES, ids=named)
def test_a_package_has_a_docstring_and_nothing_to_import(path: Path) -> None:
    docstring, *code = ast.parse(path.read_text("utf-8")).body
    assert isinstance(docstring, ast.Expr)
    version = path == LAYER / "__init__.py"  # The layer's package holds the version beside it.
    assert [type(each) for each in code] == ([ast.Assign] if version else [])


@pytest.mark.parametrize("path", DOORS, ids=named)
def test_a_room_names_its_door(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    (door,) = re.findall(r"^Door: `(\w+\.\w+)`", docstring, re.MULTILINE)
    module, _, name = door.partition(".")
    assert hasattr(importlib.import_module(f"codat_sync.{path.parent.name}.{module}"), name)


@pytest.mark.parametrize("path", DOORS, ids=named)
def test_the_docs_describe_a_room_as_the_room_does(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    architecture = (ROOT / "docs/architecture.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{path.parent.name}` \|.*$", architecture, re.MULTILINE)
    assert docstring.partition("\n")[0] in row


@pytest.mark.parametrize("path", sources(LAYER), ids=named)
def test_a_pure_module_imports_nothing_of_aws(path: Path) -> None:
    where = path.relative_to(LAYER).with_suffix("")
    if str(where) in PURE or where.parts[0] in PURE:
        assert not {name for name in imports_of(path) if name.startswith(("boto", "aws_"))}


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_module_and_its_functions_are_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 350
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {each.name: (each.end_lineno or 0) - each.lineno + 1 for each in functions}
    assert {name: length for name, length in lengths.items() if length > 35} == {}


@pytest.mark.parametrize("path", sources(ROOT / "tests"), ids=named)
def test_a_file_of_tests_has_one_topic(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 500


def test_importing_does_nothing() -> None:
    """Importing makes no client, no session and no logger, and our own code does not read the environment."""
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
        env={"PYTHONPATH": f"{LAYER.parent}:{ROOT}", "AWS_DEFAULT_REGION": "eu-west-2"},
    )
