"""Names what is about to be deployed, so that each change of it makes a new version of the functions.

SAM sees when code, layer or template change, but not when a parameter has another value: the functions would keep the
old one. ``make deploy`` hands what this prints to ``sam deploy``.
"""

import hashlib
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

LENGTH: Final = 10
"""How much of a name SAM puts into the logical id of a version."""


def overrides(samconfig: str, stage: str) -> list[str]:
    """The parameters that a stage of samconfig.toml gives, each ``Name=value``.

    Raises ``ValueError`` for a stage that is not there, and for a value that a shell would take apart.
    """
    stages = tomllib.loads(samconfig)
    if "deploy" not in stages.get(stage, {}):
        known = ", ".join(name for name, each in stages.items() if isinstance(each, dict) and "deploy" in each)
        raise ValueError(f"samconfig.toml has no stage {stage!r} to deploy to: {known}")
    given: list[str] = stages[stage]["deploy"]["parameters"].get("parameter_overrides", [])
    for each in given:
        if len(each.split()) != 1 or set(each) & set("\"'\\$`"):
            raise ValueError(f"a parameter must be one word, without quotes: {each!r}")
    return [each for each in given if not each.startswith("Release=")]


def release(build: Path, parameters: Sequence[str]) -> str:
    """Ten hexadecimal digits that are the same for the same build and parameters, and others for others.

    Raises ``ValueError`` where nothing was built.
    """
    files = sorted(path for path in build.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"nothing was built in {build}")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(build)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    digest.update("\0".join(sorted(parameters)).encode())
    return digest.hexdigest()[:LENGTH]


def main() -> int:
    """Print the arguments for ``sam deploy`` to the stage that is named."""
    try:
        (stage,) = sys.argv[1:]
        given = overrides(Path("samconfig.toml").read_text("utf-8"), stage)
        print(*given, f"Release={release(Path('.aws-sam/build'), given)}")
    except ValueError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
