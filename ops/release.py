"""Name a release by its content, so that every change publishes a new version of the functions.

SAM publishes a version when code, layer or template change, but not when only a parameter does: the functions would
keep the old value. ``make deploy`` passes what this module prints to ``sam deploy``.
"""

import hashlib
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

LENGTH: Final = 10
"""How many characters SAM puts into the logical id of a version."""


def overrides(samconfig: str, stage: str) -> list[str]:
    """Return the parameter overrides of a stage of samconfig.toml, each as ``Name=value``, without ``Release``.

    Raises ``ValueError`` for an unknown stage, and for a value that a shell would split or expand.
    """
    stages = tomllib.loads(samconfig)
    if "deploy" not in stages.get(stage, {}):
        known = ", ".join(name for name, each in stages.items() if isinstance(each, dict) and "deploy" in each)
        raise ValueError(f"samconfig.toml has no stage {stage!r}; it has {known}")
    given: list[str] = stages[stage]["deploy"]["parameters"].get("parameter_overrides", [])
    for each in given:
        if len(each.split()) != 1 or set(each) & set("\"'\\$`"):
            raise ValueError(f"a parameter must be one word, without quotes: {each!r}")
    return [each for each in given if not each.startswith("Release=")]


def release(build: Path, parameters: Sequence[str]) -> str:
    """Return ten hexadecimal digits that depend on the built files and the parameters alone.

    The order of the parameters does not matter. Raises ``ValueError`` where the folder holds no file.
    """
    files = sorted(path for path in build.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"nothing was built in {build}: run sam build")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(build)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    digest.update("\0".join(sorted(parameters)).encode())
    return digest.hexdigest()[:LENGTH]


def main() -> int:
    """Print the parameter overrides for ``sam deploy`` to the stage on the command line; return the exit code."""
    if len(sys.argv) != 2:  # noqa: PLR2004  # The program and one argument.
        print("error: name one stage of samconfig.toml", file=sys.stderr)
        return 2
    try:
        given = overrides(Path("samconfig.toml").read_text("utf-8"), sys.argv[1])
        print(*given, f"Release={release(Path('.aws-sam/build'), given)}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
