"""The presets of the demo, the storm, the benchmarks and the tests.

They are not the packaged ones, which belong to the team that deploys and may have other plans.
"""

import os
from functools import cache
from pathlib import Path
from typing import Final

from codat_sync.presets.file import Presets

FILE: Final = Path(__file__).with_name("presets.toml")


@cache
def local_presets() -> Presets:
    """Return the presets of ``FILE``."""
    return Presets.parse(FILE.read_bytes())


def description() -> str:
    """Return the file's path from here and the names of its plans, for programs that print which presets they use."""
    return f"{os.path.relpath(FILE)} (plans {', '.join(local_presets().plans)})"
