"""Draw the dashboard of template.yaml from recorded metrics, or first record them from a stack that is running.

python -m local.dashboard
python -m local.dashboard record --about 'What the stack did.'
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
from local.dashboard.recording import FILE, Recording
from local.dashboard.widgets import widgets

PICTURE: Final = Path(__file__).parents[2] / "docs/dashboard.svg"
BUCKET_SECONDS: Final = 10


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.dashboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--metrics", type=Path, default=FILE, help="the recorded metrics")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the file to draw to")
    commands = parser.add_subparsers(dest="command")
    record = commands.add_parser("record", help="record a running stack until it ends, or until Ctrl-C")
    record.add_argument("--folder", type=Path, default=Path(".local"), help="the folder with the files of the stack")
    record.add_argument("--about", required=True, help="what the stack does, in a sentence")
    return parser.parse_args(argv)


def _aws(folder: Path) -> Aws:
    exported = dict(line.split("=", 1) for line in (folder / "endpoints.env").read_text("utf-8").splitlines())
    address, certificate = (shlex.split(exported[name])[0] for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"))
    return Aws(address, Path(certificate))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.command == "record":
        recording = Recording(STACK_NAME, arguments.about, BUCKET_SECONDS)
        Recorder(_aws(arguments.folder), recording).record()
        recording.write(arguments.metrics)
    recording = Recording.read(arguments.metrics)
    arguments.picture.write_text(picture(widgets(recording.stack), recording), encoding="utf-8")
    print(f"{arguments.picture}: {len(recording.values)} metrics, {len(recording.buckets)} points of each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
