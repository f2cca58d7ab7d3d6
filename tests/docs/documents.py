"""The documents that people read, taken apart."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK: Final = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def name(doc: Path) -> str:
    """Return the document's path in the repository, as an id for its tests."""
    return doc.relative_to(ROOT).as_posix()


def text(doc: Path) -> str:
    """Return the whole document."""
    return doc.read_text("utf-8")


def prose(doc: Path) -> str:
    """Return the document without its code blocks."""
    return _BLOCK.sub("", text(doc))


def blocks(doc: Path, language: str) -> list[str]:
    """Return the content of each code block in a language."""
    return [content for _, named, content in _BLOCK.findall(text(doc)) if named == language]


def spans(doc: Path) -> list[str]:
    """Return what the prose writes in code font, headings aside."""
    without_headings = re.sub(r"^#+ .+$", "", prose(doc), flags=re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", without_headings)


def shell_lines(doc: Path) -> list[str]:
    """Return each command that the document tells people to type, without its comment."""
    lines = (line for block in blocks(doc, "sh") for line in block.splitlines())
    return [line.strip().partition("  #")[0].strip() for line in lines if line.strip()]


def anchors(doc: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings; a repeated heading gets a number."""
    seen: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(doc), re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return found
