"""The name of a release changes with everything that is deployed, and with nothing else."""

from pathlib import Path

import pytest

from ops.release import main, overrides, release

SAMCONFIG = """
version = 0.1
[default.build.parameters]
cached = true
[try.deploy.parameters]
parameter_overrides = ["LogLevel=DEBUG", "Release=0123456789"]
[prod.deploy.parameters]
confirm_changeset = true
[broken.deploy.parameters]
parameter_overrides = ["Words=one two"]
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / ".aws-sam/build"
    (folder / "Layer/python").mkdir(parents=True)
    (folder / "template.yaml").write_text("Resources: {}", "utf-8")
    (folder / "Layer/python/presets.toml").write_text('default_plan = "free"', "utf-8")
    return folder


def test_the_same_has_the_same_name(build: Path) -> None:
    assert release(build, ["A=1", "B=2"]) == release(build, ["B=2", "A=1"])


def test_another_value_of_a_parameter_has_another_name(build: Path) -> None:
    assert release(build, ["A=1"]) != release(build, ["A=2"])


@pytest.mark.parametrize("file", ["template.yaml", "Layer/python/presets.toml"])
def test_another_content_has_another_name(build: Path, file: str) -> None:
    before = release(build, [])
    (build / file).write_text("another", "utf-8")
    assert release(build, []) != before


def test_a_file_that_moved_has_another_name(build: Path) -> None:
    before = release(build, [])
    (build / "template.yaml").rename(build / "moved.yaml")
    assert release(build, []) != before


def test_nothing_that_was_built_has_no_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was built"):
        release(tmp_path, [])


@pytest.mark.parametrize(("stage", "given"), [("try", ["LogLevel=DEBUG"]), ("prod", [])])
def test_a_stage_keeps_its_own_parameters(stage: str, given: list[str]) -> None:
    assert overrides(SAMCONFIG, stage) == given


@pytest.mark.parametrize(
    ("stage", "problem"), [("default", "no stage 'default'; it has try, prod"), ("broken", "one word")]
)
def test_what_cannot_be_deployed_is_an_error(stage: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        overrides(SAMCONFIG, stage)


def test_the_command_prints_what_sam_takes(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build.parents[1]
    (folder / "samconfig.toml").write_text(SAMCONFIG, "utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["release", "try"])
    assert main() == 0
    assert capsys.readouterr().out == f"LogLevel=DEBUG Release={release(build, ['LogLevel=DEBUG'])}\n"


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["try", "prod"]])
def test_the_command_says_what_is_wrong(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    folder = build.parents[1]
    (folder / "samconfig.toml").write_text(SAMCONFIG, "utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["release", *arguments])
    assert main() == 2
    assert capsys.readouterr().err.startswith("error: ")
