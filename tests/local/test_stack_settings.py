"""The settings of the local stack's parts: parameters, environments, and the endpoints file for other programs."""

import os
import subprocess
from pathlib import Path

import pytest

from local.__main__ import _arguments, _codat
from local.aws import endpoints, sam
from local.aws.clients import Aws, environment_without_aws
from local.aws.codat import Codat
from local.aws.ministack import environment
from local.aws.processes import StackError

AWS = Aws(endpoint_url="https://127.0.0.1:4566", ca_bundle=Path("/checkout/.local/aws/ca.pem"))


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "arm64"), ("aarch64", "arm64")],
)
def test_a_processor_has_its_lambda_architecture(machine: str, architecture: str) -> None:
    assert sam.architecture(machine) == architecture


def test_an_unknown_processor_is_refused_by_name() -> None:
    with pytest.raises(StackError, match="'riscv64'"):
        sam.architecture("riscv64")


def test_a_python_has_its_lambda_runtime() -> None:
    assert sam.runtime((3, 13)) == "python3.13"


def test_a_python_without_a_lambda_runtime_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(StackError, match=r"Python 3\.15: .* one of 3\.11, 3\.12, 3\.13, 3\.14"):
        sam.runtime((3, 15))


def test_the_templates_parameters_know_every_runtime_and_architecture_of_a_host() -> None:
    template = Path("template.yaml").read_text(encoding="utf-8")

    assert f"AllowedValues: [{', '.join(sam._RUNTIMES.values())}]" in template
    assert "AllowedValues: [arm64, x86_64]" in template


def test_overrides_are_one_word_each() -> None:
    assert sam.parameter_overrides({"A": "1", "CodatBaseUrl": "http://127.0.0.1:80"}) == [
        "--parameter-overrides",
        "A=1",
        "CodatBaseUrl=http://127.0.0.1:80",
    ]


@pytest.mark.parametrize("value", ["", "a b", "a,b", "'a'", 'a"b', "a\\b"])
def test_an_override_that_sam_would_take_apart_is_refused(value: str) -> None:
    with pytest.raises(StackError, match="CodatBaseUrl"):
        sam.parameter_overrides({"CodatBaseUrl": value})


def test_sam_uses_the_local_stage_of_the_projects_own_files() -> None:
    project = sam.Project()
    build = project.build_command({"A": "1"})

    for command in (build, project.deploy_command({"A": "1"}), project.delete_command()):
        assert command[command.index("--config-env") + 1] == "local"
        assert command[command.index("--config-file") + 1] == str(Path("samconfig.toml").resolve())
    assert build[build.index("--template") + 1] == str(Path("template.yaml").resolve())


def test_a_copy_of_the_project_is_built_from_its_own_files(tmp_path: Path) -> None:
    build = sam.Project(tmp_path / "project", tmp_path / "sam").build_command({})

    assert build[build.index("--config-file") + 1] == str(tmp_path / "project/samconfig.toml")
    assert build[build.index("--template") + 1] == str(tmp_path / "project/template.yaml")


@pytest.mark.parametrize(
    ("system", "libc", "runs"),
    [("Linux", "glibc", True), ("Linux", "", False), ("Darwin", "", False)],
)
def test_lambdas_wheels_run_on_linux_with_glibc_only(system: str, libc: str, *, runs: bool) -> None:
    assert sam.layer_runs_here(system, libc) is runs


@pytest.mark.parametrize(
    ("output", "variable"),
    [
        ("EventBusName", "EVENT_BUS_NAME"),
        ("CompanyPlanChangedQueueUrl", "COMPANY_PLAN_CHANGED_QUEUE_URL"),
        ("CompanyPlansTableName", "COMPANY_PLANS_TABLE_NAME"),
    ],
)
def test_an_output_becomes_a_variable(output: str, variable: str) -> None:
    assert endpoints.variable(output) == variable


def test_the_endpoints_file_is_read_back_by_a_shell_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.env"

    endpoints.write(file, {"A": "https://127.0.0.1:1/q", "B": "a folder's $HOME; `id`"})

    command = ["/bin/sh", "-c", '. "$0"; printf "%s|%s" "$A" "$B"', str(file)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the words are ours.
    assert shown.stdout == "https://127.0.0.1:1/q|a folder's $HOME; `id`"


def test_child_processes_know_nothing_of_the_developers_account() -> None:
    environ = {
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "https://elsewhere",
        "AWS_SESSION_TOKEN": "token",
        "CODAT_API_KEY": "key",
        "PYTHONPATH": "/elsewhere",
        "SAM_CLI_TELEMETRY": "1",
        "PATH": "/bin",
        "NO_PROXY": "example.com",
    }

    assert environment_without_aws(environ) == {
        "PATH": "/bin",
        "NO_PROXY": "example.com,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
    }


def test_functions_inherit_nothing_of_the_developers_but_the_way_out() -> None:
    environ = {"PATH": "/bin", "HTTPS_PROXY": "http://proxy:8080", "HOME": "/home/me", "GITHUB_TOKEN": "t"}

    inherited = environment(environ, aws=AWS, port=4566, folder=Path("/checkout/.local/aws"))

    assert inherited["HTTPS_PROXY"] == "http://proxy:8080"
    assert not inherited.keys() & {"HOME", "GITHUB_TOKEN"}


def test_ministack_enforces_iam_and_keeps_its_files_in_its_folder() -> None:
    settings = environment({}, aws=AWS, port=4566, folder=Path("/checkout/.local/aws"))

    assert settings["AUTH"] == "true"
    assert {name for name, value in settings.items() if value.startswith("/checkout/.local/aws/")} == {
        "TMPDIR",
        "STATE_DIR",
        "S3_DATA_DIR",
        "AWS_CA_BUNDLE",
    }


def test_clients_ignore_a_profile_that_the_shell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere")

    assert AWS.sqs.meta.endpoint_url == "https://127.0.0.1:4566"


def test_the_simulator_is_used_whatever_the_shell_exports() -> None:
    exported = {"CODAT_BASE_URL": "https://api.codat.io", "CODAT_API_KEY": "key"}

    assert _codat(_arguments([], exported).codat_base_url, exported) is None


def test_another_codat_is_named_by_an_argument_and_its_key_by_the_environment() -> None:
    arguments = _arguments(["--codat-base-url", "https://api.codat.io/"], {})

    assert _codat(arguments.codat_base_url, {"CODAT_API_KEY": "key"}) == Codat("https://api.codat.io", "key")


def test_another_codat_without_its_key_is_refused() -> None:
    with pytest.raises(StackError, match="CODAT_API_KEY"):
        _codat("https://api.codat.io", {})


def test_ports_come_from_the_environment_or_are_free_ones() -> None:
    free, chosen = _arguments([], {}), _arguments([], {"AWS_PORT": "4566", "CODAT_PORT": "4567"})

    assert (free.aws_port, free.codat_port) == (0, 0)
    assert (chosen.aws_port, chosen.codat_port) == (4566, 4567)
