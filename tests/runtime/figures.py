"""The time of cold starts and the size of the layer: measured and printed, never asserted."""

from collections import defaultdict
from pathlib import Path
from statistics import median

from local.aws.runtime_interface_emulator import EmulatedFunction

LARGEST = 10


class Starts:
    """The times of the functions that ran."""

    def __init__(self) -> None:
        self._milliseconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def note(self, name: str, function: EmulatedFunction) -> None:
        """Add the times of a function that has handled its events."""
        invocations = function.invocation_milliseconds()
        taken = self._milliseconds[name]
        taken["INIT"] += function.init_milliseconds()
        taken["first event"] += invocations[:1]
        taken["later events"] += invocations[1:]

    def lines(self) -> list[str]:
        """Return a line for each function: medians, and the number of measurements."""
        return [
            f"{name}: " + ", ".join(f"{what} {median(of):.0f} ms ({len(of)}x)" for what, of in taken.items() if of)
            for name, taken in self._milliseconds.items()
        ]


def weights(layer: Path) -> list[str]:
    """Return lines with the layer's size, and that of its largest packages."""
    sizes = {each.name: _bytes(each) for each in layer.iterdir()}
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:LARGEST]
    return [
        f"Layer: {sum(sizes.values()) / 1e6:.1f} MB unzipped, of which",
        *(f"  {sizes[name] / 1e6:5.2f} MB {name}" for name in largest),
    ]


def _bytes(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())
