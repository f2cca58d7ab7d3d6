"""The command serves the simulator in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from local.codat_simulator.__main__ import main
from local.codat_simulator.running import running_simulator


def test_the_command_says_that_its_port_is_taken() -> None:
    with running_simulator() as simulator, pytest.raises(SystemExit, match="cannot be opened"):
        main(["--api-key", "k", "--port", simulator.url.rpartition(":")[2]])


def test_the_command_serves_until_sigterm(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    arguments = ["--api-key", "k", "--dialect", "object", "--free", "--port-file", str(port_file)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(  # noqa: S603 - this interpreter and this package.
        [sys.executable, "-m", "local.codat_simulator", *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            found = re.fullmatch(r"Codat simulator listening on (http://127\.0\.0\.1:(\d+))\n", line)
            assert found is not None
            state = requests.get(f"{found[1]}/_simulator/state", timeout=10).json()
            assert (state["account"]["dialect"], state["account"]["free"]) == ("object", True)
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=10)
    assert port_file.read_text(encoding="utf-8") == f"{found[2]}\n"
    assert (process.returncode, out, err) == (0, "", "")
