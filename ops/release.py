"""Build and deploy a stage of samconfig.toml with SAM CLI: ``make build`` and ``make deploy``.

What SAM CLI leaves open is settled here. The stage is checked first. The build is for the stage's own runtime and
architecture: ``sam build`` alone takes the template's defaults. Every parameter is given. And each deployment is a
release of its own: SAM names the functions' versions after it, and appends it to their descriptions.
"""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ops.stage import Stage, StageRefused

SAM: Final = (sys.executable, "-m", "samcli")
LAYER: Final = Path(".aws-sam/build/CodatSyncLayer/python")
OF_THE_STAGE: Final = frozenset({"--config-env", "--parameter-overrides", "--stack-name"})

_COMPILED: Final = re.compile(r"\.cpython-(\d)(\d+)-(\w+)-linux-gnu\.so$")
_ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "x86_64"}


def release() -> str:
    """Return a name that no release had before: ten random hexadecimal digits.

    After a deployment was taken back, its versions of the functions still exist, and Lambda publishes no version that
    equals the newest one. With another name the same content is another version.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
    """
    return secrets.token_hex(5)


def built_for(layer: Path) -> set[tuple[str, str]]:
    """Return the runtimes and architectures that the compiled modules of a built layer are for, from their names."""
    tags = [_COMPILED.search(path.name) for path in layer.rglob("*.so")]
    return {(f"python{tag[1]}.{tag[2]}", _ARCHITECTURES.get(tag[3], tag[3])) for tag in tags if tag}


def check_built(layer: Path, stage: Stage) -> None:
    """Raise ``StageRefused`` where a built layer would not run on the stage's runtime and architecture."""
    wanted = (stage.parameters["PythonRuntime"], stage.parameters["Architecture"])
    built = built_for(layer)
    if built != {wanted}:
        found = ", ".join(" on ".join(each) for each in sorted(built)) or "nothing"
        raise StageRefused(f"the stage {stage.name} needs {' on '.join(wanted)}, and {layer} was built for {found}")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for SAM CLI: boto3 reads the region from AWS_DEFAULT_REGION, and not from AWS_REGION."""
    region = environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION")
    return {**environ, "SAM_CLI_TELEMETRY": "0"} | ({"AWS_DEFAULT_REGION": region} if region else {})


def build(stage: Stage, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Build for a stage, with the stage's Python first on the PATH.

    Raises ``StageRefused`` where that Python is not installed, and ``CalledProcessError`` where SAM CLI fails.
    """
    python = _interpreter(stage.parameters["PythonRuntime"].removeprefix("python"), environ)
    path = f"{python.parent}{os.pathsep}{environ.get('PATH', '')}"
    _run([*SAM, "build", *stage.overrides(), *arguments], {**environ, "PATH": path})


def deploy(stage: Stage, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Build for a stage, check what was built, and deploy it with further arguments of ``sam deploy``.

    Raises what ``build`` raises, and ``StageRefused`` for an argument that the stage has to give.
    """
    ours = OF_THE_STAGE & {each.partition("=")[0] for each in arguments}
    if ours:
        raise StageRefused(f"{', '.join(sorted(ours))} belongs into the stage {stage.name} of samconfig.toml")
    build(stage, (), environ)
    check_built(LAYER, stage)
    named = stage.overrides(Release=release())
    _run([*SAM, "deploy", "--config-env", stage.name, *named, *arguments], environ)


def _interpreter(version: str, environ: Mapping[str, str]) -> Path:
    """Return the installed Python of a version; download none."""
    options = ["--system", "--no-python-downloads", "--no-project"]
    found = subprocess.run(  # noqa: S603  # The version is one of the template's, or refused by uv.
        [sys.executable, "-m", "uv", "python", "find", *options, version],
        env={**environ, "PYENV_VERSION": version},  # Otherwise pyenv's shims run one version only.
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        raise StageRefused(f"Python {version}, the stage's PythonRuntime, is not on the PATH", found.stderr.strip())
    return Path(found.stdout.strip())


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    subprocess.run(command, env=dict(environ), check=True)  # noqa: S603  # SAM CLI, with the words of whoever runs make.


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Run ``build`` or ``deploy``, for the stage that follows, with further arguments; return the exit code."""
    commands = {"build": build, "deploy": deploy}
    if len(arguments) < 2 or arguments[0] not in commands:  # noqa: PLR2004  # The command and the stage.
        print("error: name build or deploy, and one stage of samconfig.toml", file=sys.stderr)
        return 2
    command, name, *rest = arguments
    try:
        stage = Stage.read(name, Path("samconfig.toml").read_text("utf-8"), Path("template.yaml").read_text("utf-8"))
        commands[command](stage, rest, environment(os.environ))
    except StageRefused as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:  # SAM CLI has said why.
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
