"""Checks of the machine on which the tool runs: they need no stack."""

import shutil

from ops.doctor.finding import Finding, green, red, yellow
from ops.doctor.subject import Subject
from ops.presets_check import check


def region(subject: Subject) -> Finding:
    """Check that a region is set."""
    name = subject.stack.aws.session.region_name
    return green(name) if name else red("no region is set", "set AWS_REGION, or choose a profile (AWS_PROFILE)")


def credentials(subject: Subject) -> Finding:
    """Check that AWS accepts the credentials, and say whose they are."""
    caller = subject.client("sts").get_caller_identity()
    return green(f"account {caller['Account']}, {caller['Arn']}")


def python(subject: Subject) -> Finding:
    """Check that `sam build` finds the Python of the functions' runtime."""
    runtime = subject.stack.parameter("PythonRuntime")
    found = shutil.which(runtime)
    if found:
        return green(f"{runtime} for the build: {found}")
    return yellow(f"{runtime} is not on the PATH", f"install {runtime}: `sam build` needs it for the next deploy")


def presets(subject: Subject) -> Finding:
    """Check the presets file that the next deploy would package."""
    problems = check(subject.presets)
    if not problems:
        return green(f"{subject.presets} is valid")
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return red(f"{problems[0]}{more}", f"correct it; `codat-sync presets check {subject.presets}` lists all problems")
