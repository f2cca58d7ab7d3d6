"""docs/cli.md is the help of every command."""

import os
from pathlib import Path

import pytest

from ops.cli import reference
from ops.cli.reference import FILE
from tests.ops.cli.test_main import COMMANDS, GROUPS


def test_the_file_is_what_the_generator_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = FILE.read_text("utf-8")
    monkeypatch.setattr(reference, "FILE", tmp_path / "cli.md")
    reference.main()
    assert (tmp_path / "cli.md").read_text("utf-8") == written, "run python -m ops.cli.reference"


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS], ids=" ".join)
def test_every_command_has_a_section_and_a_link_to_it(command: list[str]) -> None:
    path = ["codat-sync", *command]
    lines = FILE.read_text("utf-8").splitlines()
    assert f"## {' '.join(path)}" in lines
    assert [line for line in lines if line.startswith(f"| [{' '.join(path)}](#{'-'.join(path)}) | ")]


def test_it_depends_on_neither_terminal_nor_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = reference.reference()
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((40, 24)))
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("CODAT_SYNC_STACK", "another")
    assert reference.reference() == expected
