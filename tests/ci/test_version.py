"""The project has one version, written in one place."""

import re
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import codat_sync

ROOT = Path(__file__).parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"


def newest_release(changelog: str) -> str | None:
    """Return the version in the first heading of a changelog that names one; None if nothing was released yet."""
    heading = re.search(r"^## \[?(\d+\.\d+\.\d+)\]?", changelog, re.MULTILINE)
    return heading[1] if heading else None


def test_the_version_is_a_semantic_version() -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", codat_sync.__version__)


def test_a_built_distribution_has_the_version_of_the_package() -> None:
    """Read from the build backend: the metadata of an editable installation may be older."""
    assert ProjectMetadata(str(ROOT), PluginManager()).version == codat_sync.__version__


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    assert newest_release(CHANGELOG.read_text("utf-8")) == codat_sync.__version__


@pytest.mark.parametrize(
    ("changelog", "release"),
    [
        ("# Changelog\n\n## [Unreleased]\n\n## [1.10.0] - 2026-02-01\n\n## [1.9.0] - 2026-01-01\n", "1.10.0"),
        ("# Changelog\n\n## 0.1.0 (2026-02-01)\n", "0.1.0"),
        ("# Changelog\n\n## [Unreleased]\n\n### Added\n", None),
    ],
)
def test_the_newest_release_is_the_first_heading_that_names_one(changelog: str, release: str | None) -> None:
    assert newest_release(changelog) == release
