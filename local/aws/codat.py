"""The Codat that the functions call: the simulator in a process of its own, or another one."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws.processes import ProcessGroup, running, wait_until

_SIMULATED_API_KEY = "simulated-api-key"
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Codat:
    """A Codat for the functions to call."""

    base_url: str
    api_key: str


@contextlib.contextmanager
def simulated_codat(
    port_file: Path, *, port: int, log: Path, environ: Mapping[str, str]
) -> Iterator[tuple[Codat, ProcessGroup]]:
    """Run the simulator while the block runs; port 0 takes a free one. `port_file` is removed with it.

    Raise StackError if it does not start.
    """
    port_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "local.codat_simulator", "--port", str(port)),
        *("--api-key", _SIMULATED_API_KEY, "--port-file", str(port_file)),
    ]
    with contextlib.ExitStack() as parts:
        parts.callback(port_file.unlink, missing_ok=True)
        simulator = parts.enter_context(running("Codat simulator", command, log=log, env=environ))
        wait_until(port_file.exists, simulator, timeout=_START_SECONDS)
        url = f"http://127.0.0.1:{int(port_file.read_text(encoding='utf-8'))}"
        yield Codat(base_url=url, api_key=_SIMULATED_API_KEY), simulator
