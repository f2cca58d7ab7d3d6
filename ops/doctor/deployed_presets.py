"""Whether the presets that the functions use are those of the presets file here."""

import hashlib

from codat_sync.presets.file import InvalidPresets, Presets
from ops.doctor.finding import Finding, green, red, unanswered, yellow
from ops.doctor.subject import Subject
from ops.live_presets import APPCONFIG, live_presets


def same_presets(subject: Subject) -> Finding:
    """Check that the functions' presets are those of the file. A comment that differs is no difference."""
    try:
        here = Presets.parse(subject.presets.read_bytes())
    except (InvalidPresets, OSError):
        return unanswered(f"not compared: {subject.presets} cannot be used")
    content, place = live_presets(subject.stack)
    try:
        there = Presets.parse(content)
    except InvalidPresets as error:
        return red(f"{place}: {error}", "deploy valid presets")
    if here == there:
        return green(f"{place} has the presets of {subject.presets}")
    words = f"{place} has other presets than {subject.presets}: sha256 {hashlib.sha256(content).hexdigest()[:10]}"
    change = f"`codat-sync preview --presets {subject.presets}` shows what would change"
    if place == APPCONFIG:
        return yellow(words, f"{change}; `codat-sync presets put` makes it live")
    return red(words, f"{change}; deploy it")
