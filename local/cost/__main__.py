"""Print what a stack costs in a month, or write it into docs/deploy.md: python -m local.cost --write."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.cost.stack import IdleStack
from local.cost.table import table, with_table

DOCUMENT: Final = Path(__file__).parents[2] / "docs/deploy.md"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.cost", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/deploy.md")
    arguments = parser.parse_args(argv)
    lines = table(IdleStack.of_template())
    print("\n".join(lines))
    if arguments.write:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8"), lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
