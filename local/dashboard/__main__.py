"""Draw the dashboard of template.yaml from what was recorded; or record a stack that `make local` or another runs.

python -m local.dashboard
python -m local.dashboard record --about 'What the stack was put to.'
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.aws.clients import Aws
from local.aws.sam import STACK_NAME
from local.dashboard.picture import picture
from local.dashboard.recorder import Recorder
from local.dashboard.recording import FILE, Recorded
from local.dashboard.widgets import widgets

PICTURE: Final = Path(__file__).parents[2] / "docs/dashboard.svg"
BUCKET_SECONDS: Final = 10


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.dashboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--metrics", type=Path, default=FILE, help="the record")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to draw")
    commands = parser.add_subparsers(dest="command")
    record = commands.add_parser("record", help="a stack that runs, until it ends or Ctrl-C")
    record.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    record.add_argument("--about", required=True, help="what the stack is put to, in a sentence")
    return parser.parse_args(argv)


def _aws(folder: Path) -> Aws:
    said = dict(line.split("=", 1) for line in (folder / "endpoints.env").read_text("utf-8").splitlines())
    address, certificate = (shlex.split(said[name])[0] for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"))
    return Aws(address, Path(certificate))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.command == "record":
        recorded = Recorded(STACK_NAME, arguments.about, BUCKET_SECONDS)
        Recorder(_aws(arguments.folder), recorded).record()
        recorded.write(arguments.metrics)
    recorded = Recorded.read(arguments.metrics)
    arguments.picture.write_text(picture(widgets(recorded.stack), recorded), encoding="utf-8")
    print(f"{arguments.picture}: {len(recorded.values)} metrics, {len(recorded.buckets)} points of each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
