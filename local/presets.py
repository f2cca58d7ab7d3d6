"""The presets that the demo, the storm, the benchmarks and the tests play with.

They are not the packaged ones: those belong to whoever deploys, and may hold other plans.
"""

from functools import cache
from pathlib import Path
from typing import Final

from codat_sync.presets.file import Presets

FILE: Final = Path(__file__).with_name("presets.toml")


@cache
def local_presets() -> Presets:
    """Return the presets of ``FILE``."""
    return Presets.parse(FILE.read_bytes())
