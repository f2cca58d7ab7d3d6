"""Input from files and from standard input."""

import sys
from pathlib import Path
from typing import Final

import typer

STDIN: Final = Path("-")


def input_file(text: str) -> Path:
    """Return a file that exists, or ``STDIN`` for "-". Raises ``BadParameter``."""
    file = Path(text)
    if file != STDIN and not file.is_file():
        raise typer.BadParameter(f"there is no file {text!r}")
    return file


def read_input(file: Path) -> bytes:
    """Return the content of a file, or of standard input for "-"."""
    return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
