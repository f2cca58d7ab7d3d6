"""A SAM CLI that was installed on its own lints the template and guides through a first deployment."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.decode import cfn_yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(ROOT.glob(".cfnlintrc*"))
PLUGIN = "cfn_lint_serverless"
PARAMETERS: dict[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))["Parameters"]
SAM = f"""
import sys
sys.modules[{PLUGIN!r}] = None
from samcli.cli.main import cli
cli(prog_name="sam")
"""
"""The SAM CLI of this environment, where importing the plugin raises ``ModuleNotFoundError``."""


def installed_with(distribution: str) -> set[str]:
    """Return the names of a distribution and of all that it requires, without extras."""
    found: set[str] = set()
    rest = [distribution]
    while rest:
        name = canonicalize_name(rest.pop())
        if name not in found:
            found.add(name)
            required = map(Requirement, requires(name) or [])
            rest += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def distribution_of(module: str) -> str:
    """Return the name of the distribution that holds a module, or the name of the module's package if none does."""
    package = module.split(".", maxsplit=1)[0]
    return canonicalize_name(packages_distributions().get(package, [package])[0])


def sam(folder: Path, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """Run SAM CLI on the project's files in a folder, with no AWS credentials and no plugin of cfn-lint."""
    for file in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / file, folder)
    for code in ("functions", "shared"):
        (folder / code).symlink_to(ROOT / code)
    return subprocess.run(  # noqa: S603  # This very interpreter, on the text above.
        [sys.executable, "-c", SAM, *arguments],
        cwd=folder,
        env={
            "AWS_DEFAULT_REGION": "eu-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(folder),
            "SAM_CLI_TELEMETRY": "0",
        },
        input=answers,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_the_linters_configuration_names_no_module_that_sam_cli_lacks(path: Path) -> None:
    modules = yaml.safe_load(path.read_text("utf-8")).get("append_rules", [])
    assert {distribution_of(each) for each in modules} <= installed_with("aws-sam-cli")


def test_sam_cli_brings_cfn_lint_and_not_its_plugin() -> None:
    assert distribution_of("cfnlint") in installed_with("aws-sam-cli")
    assert distribution_of(PLUGIN) not in installed_with("aws-sam-cli")


def test_the_template_lints_where_the_plugin_cannot_be_imported(tmp_path: Path) -> None:
    for path in CONFIGURATIONS:
        shutil.copy(path, tmp_path)
    done = sam(tmp_path, "validate", "--lint")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is a valid SAM Template" in done.stdout


def test_a_configuration_that_names_the_plugin_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / ".cfnlintrc.yaml").write_text(f"append_rules: [{PLUGIN}.rules]", "utf-8")
    done = sam(tmp_path, "validate", "--lint")
    assert done.returncode != 0
    assert "UnexpectedRuleException" in done.stderr


def test_make_check_applies_the_rules_of_the_plugin() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\ncheck:")[1].split("\n\n")[0]
    assert re.search(rf"/cfn-lint .*--append-rules {PLUGIN}\.rules$", recipe, re.MULTILINE)


def test_a_guided_deployment_asks_for_each_parameter_and_gets_as_far_as_credentials(tmp_path: Path) -> None:
    """The answers offered are those of samconfig.toml, which SAM CLI rewrites after such a deployment."""
    done = sam(tmp_path, "deploy", "--guided", answers="\n" * (len(PARAMETERS) + 10))
    offered = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["default"]["deploy"]["parameters"]
    assert f"Stack Name [{offered['stack_name']}]:" in done.stdout
    assert re.findall(r"Parameter (\w+) \[", done.stdout) == list(PARAMETERS)
    assert done.stderr.strip() == "Error: Unable to locate credentials"
    assert done.returncode == 1
