"""Mutation testing: changes the core modules a little at a time, and tells which changes no test notices.

    python -m tests.mutants outcomes codat/errors

Mutmut makes the mutants and runs, for each, the unit tests of the module's own room that reach the changed function. A
mutant that survives has to stand in ``tests/mutants.toml`` with its reason, and what stands there has to survive.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).parents[1]
SURVIVORS: Final = ROOT / "tests" / "mutants.toml"
MUTMUT: Final = ROOT / ".local" / "mutmut" / "bin" / "python"
WORK: Final = ROOT / ".local" / "mutants"
CORE: Final = (
    *("deadline", "outcomes", "redrive", "reconciliation", "companies", "consuming", "presets/preset"),
    *("codat/errors", "codat/rate_limits", "codat/differences", "events/envelope", "events/company_events"),
)
"""Modules and rooms of the layer."""
LEAST_KILLED: Final = 0.97
"""The share of all mutants of the core that has to be killed."""

# Mutmut's exit codes for a mutant: pytest's, and its own.
_KILLED: Final = {1, 3}
_TIMED_OUT: Final = {36, 24, -24, 152, 255}
_SURVIVED: Final = {0, 5, 33}
_CONFIGURATION: Final = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {only_mutate}
also_copy = ["events", "functions", "local", "ops", "shared", "template.yaml"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}
# The wording of a log line or an error is for people: a test of each word would only repeat it.
do_not_mutate_patterns = ['logger\\(\\)\\.', 'raise \\w+\\(f?"']

[tool.pytest.ini_options]
pythonpath = ["src", "."]
addopts = ["--import-mode=importlib"]
markers = ["packaged_presets: reads the presets that are packaged, and holds for any valid file"]
"""


@dataclass(frozen=True, order=True)
class Mutant:
    """A mutant by its text, which outlives a change of the lines around it. ``becomes`` is empty for a removal."""

    module: str
    function: str
    was: str
    becomes: str

    @classmethod
    def of(cls, name: str, diff: str) -> Self:
        """Read what ``mutmut show`` prints of the mutant that mutmut calls by this name."""
        path, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
        changed = [line for line in diff.splitlines() if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"}]
        was, becomes = (
            "\n".join(line[1:].strip() for line in changed if line[0] == sign and line[1:].strip()) for sign in "-+"
        )
        function = ".".join(mangled.removeprefix("x").strip("ǁ").split("ǁ")).removeprefix("_")
        return cls(path.removeprefix("codat_sync.").replace(".", "/"), function, was, becomes)


@dataclass
class Result:
    """What a run found. ``unclear`` are mutants of which no verdict is known."""

    total: Counter[str] = field(default_factory=Counter)
    """By module, as are the next two."""
    killed: Counter[str] = field(default_factory=Counter)
    timed_out: Counter[str] = field(default_factory=Counter)
    survived: set[Mutant] = field(default_factory=set)
    unclear: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of mutants that were killed."""
        return self.killed.total() / max(self.total.total(), 1)


def listed_survivors(text: str) -> dict[Mutant, str]:
    """Return the reason of each mutant that may survive. Raise ``ValueError`` for one without, or named twice."""
    listed: dict[Mutant, str] = {}
    for entry in tomllib.loads(text).get("survivor", []):
        reason = str(entry.pop("reason", "")).strip()
        mutant = Mutant(**entry)
        if not reason or mutant in listed:
            raise ValueError(f"no reason, or named twice: {mutant}")
        listed[mutant] = reason
    return listed


def problems(result: Result, listed: Collection[Mutant], modules: Collection[str]) -> list[str]:
    """Return, as text, what is not as it has to be in a run over these modules and rooms."""
    here = {each for each in listed if any(_is_in(each.module, module) for module in modules)}
    found = [f"survives, and is not listed:\n{_as_entry(each)}" for each in sorted(result.survived - here)]
    found += [f"is listed, and does not survive:\n{_as_entry(each)}" for each in sorted(here - result.survived)]
    found += [f"has no verdict: {name}" for name in result.unclear]
    if set(modules) == set(CORE) and result.share < LEAST_KILLED:
        found.append(f"killed {result.share:.2%} of all mutants, and {LEAST_KILLED:.0%} is the least")
    return found if result.total else ["there is no mutant"]


def table(result: Result) -> Iterator[str]:
    """Yield the lines of a table with one row for each module."""
    yield "| module | mutants | killed | of these by time | survived |"
    yield "| --- | --- | --- | --- | --- |"
    for module, total in sorted(result.total.items()):
        killed = result.killed[module]
        yield f"| `{module}` | {total:,} | {killed:,} | {result.timed_out[module]:,} | {total - killed:,} |"
    total, killed = result.total.total(), result.killed.total()
    share = f"{killed:,} ({result.share:.1%})"
    yield f"| all | {total:,} | {share} | {result.timed_out.total():,} | {total - killed:,} |"


def run(modules: Iterable[str]) -> Result:
    """Run mutmut, room by room. Raise ``CalledProcessError`` where it or the tests of unchanged code fail."""
    result = Result()
    for room, ours in groupby(sorted(modules), key=lambda module: module.partition("/")[0]):
        work = WORK / room
        _prepare(work, room, list(ours))
        subprocess.run([MUTMUT, "-m", "mutmut", "run"], cwd=work, check=True)  # noqa: S603  # Our own tool.
        for path in sorted((work / "mutants" / "src").rglob("*.meta")):
            collect(result, json.loads(path.read_text("utf-8"))["exit_code_by_key"], work)
    return result


def collect(result: Result, verdicts: dict[str, int | None], work: Path) -> None:
    """Add mutmut's verdicts, an exit code for each mutant's name, to a result. Survivors are read from ``work``."""
    for name, verdict in verdicts.items():
        module = Mutant.of(name, "").module
        result.total[module] += 1
        if verdict in _KILLED | _TIMED_OUT:
            result.killed[module] += 1
            result.timed_out[module] += verdict in _TIMED_OUT
        elif verdict in _SURVIVED:
            result.survived.add(Mutant.of(name, _shown(name, work)))
        else:
            result.unclear.append(f"{name} (exit code {verdict})")


def _shown(name: str, work: Path) -> str:
    command = [str(MUTMUT), "-m", "mutmut", "show", name]
    return subprocess.run(command, cwd=work, check=True, capture_output=True, encoding="utf-8").stdout  # noqa: S603


def _prepare(work: Path, room: str, modules: Sequence[str]) -> None:
    """Make a folder in which mutmut finds the layer as ``src``, which is where it looks for it."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("events", "functions", "local", "ops", "shared", "template.yaml", "tests"):
        (work / name).symlink_to(ROOT / name)
    (work / "src").symlink_to(ROOT / "shared")
    folder = ROOT / "tests" / "unit" / room
    tests = folder if folder.is_dir() else folder.with_name(f"test_{room}.py")
    layer = ROOT / "shared" / "codat_sync"
    paths = [f"{module}/*" if (layer / module).is_dir() else f"{module}.py" for module in modules]
    (work / "pyproject.toml").write_text(
        _CONFIGURATION.format(
            only_mutate=json.dumps([f"src/codat_sync/{path}" for path in paths]),
            tests=json.dumps([str(tests.relative_to(ROOT))]),
        ),
        "utf-8",
    )


def _is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}/")


def _as_entry(mutant: Mutant) -> str:
    fields = (f"{name} = {json.dumps(text, ensure_ascii=False)}" for name, text in vars(mutant).items())
    return "\n".join(["[[survivor]]", *fields])


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if exactly the listed mutants survived."""
    parser = argparse.ArgumentParser(description="Mutation testing of the core modules.")
    parser.add_argument("modules", nargs="*", metavar="module", help=f"of {', '.join(CORE)}, or inside; default: all")
    modules = parser.parse_args(arguments).modules or CORE
    for module in modules:
        if not re.fullmatch(r"[a-z_/]+", module) or not any(_is_in(module, core) for core in CORE):
            parser.error(f"{module} is none of {', '.join(CORE)}, nor inside one")
    listed = listed_survivors(SURVIVORS.read_text("utf-8"))
    result = run(modules)
    print(*table(result), sep="\n")
    found = problems(result, listed, modules)
    for each in found:
        print(each, end="\n\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
