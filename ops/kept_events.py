"""The file to which events are written before they are discarded."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic_core import to_json

from ops.dlq import DeadLetter
from ops.errors import OpsError


class NotKept(OpsError):
    """The file cannot be written, so that the events stay in their DLQ."""


class KeptEvents:
    """A new file with one JSON object for each event: its attributes, and its body as it was.

    It is created with the first event (``begun``), and never overwrites another file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.begun = False

    def __call__(self, letters: Sequence[DeadLetter]) -> None:
        """Write the events, and return once they are on the disk. Raises ``NotKept``."""
        if not letters:
            return
        try:
            with self.file.open("ab" if self.begun else "xb") as written:
                self.begun = True
                written.writelines(to_json(letter) + b"\n" for letter in letters)
                written.flush()
                os.fsync(written.fileno())
        except OSError as error:
            raise NotKept(
                f"{self.file} cannot be written: {error.strerror}",
                hint="what is not in the file was not discarded; name another file with --to",
            ) from error
