"""A signal that `make` passes on reaches the program of each recipe that runs long."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED = (".venv/.installed", ".local/runtime/.installed", ".local/ministack/.installed")

# In the place of .venv/bin/python.
PROGRAM = f"""#!{sys.executable}
import os, signal, sys
if sys.argv[1:3] == ["-m", "ops"] and sys.argv[4:] == ["check"]:
    sys.exit()  # The checks of presets and sources come first, and are short.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
with open(os.environ["STARTED"], "w") as started:
    print(os.getpid(), *sys.argv[1:], file=started)
signal.pause()
"""


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("local", "-m local"),
        ("demo", "-m local.demo"),
        ("chaos", "-m pytest tests/model"),
        ("bench", "-m local.bench"),
        ("dashboard", "-m local.dashboard"),
        ("fuzz", "-m tests.fuzz"),
        ("runtime", "-m pytest tests/runtime"),
        ("system", "-m pytest tests/system"),
    ],
)
def test_sigterm_to_make_ends_the_program_of_a_target(tmp_path: Path, target: str, arguments: str) -> None:
    program, started = tmp_path / "python", tmp_path / "started"
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    os.mkfifo(started)
    up_to_date = [word for file in INSTALLED for word in ("--old-file", file)]
    with subprocess.Popen(  # noqa: S603 - every word is this project's own.
        ["make", target, f"VENV={program}", *up_to_date],  # noqa: S607 - its path depends on the system.
        env={"PATH": os.environ["PATH"], "STARTED": str(started)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as make:
        pid, _, ran = started.read_text("utf-8").partition(" ")
        assert ran.startswith(arguments)

        make.send_signal(signal.SIGTERM)
        try:
            _, errors = make.communicate(timeout=10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    assert "ended by SIGTERM" in errors
