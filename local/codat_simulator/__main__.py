"""Serve a simulated Codat account on 127.0.0.1 until SIGTERM or Ctrl-C. Print one line with its URL."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from local.codat_simulator._server import application
from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.running import listening_socket, url_of


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.codat_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; 0, the default, takes a free one")
    parser.add_argument("--api-key", required=True, help="the API key that requests must carry")
    parser.add_argument("--dialect", choices=("hours", "object", "both"), default="hours")
    parser.add_argument("--free", action="store_true", help="simulate an account on Codat's free plan")
    parser.add_argument("--port-file", type=Path, help="a file to write the port to, once it accepts connections")
    return parser.parse_args(argv)


def _write_atomically(path: Path, text: str) -> None:
    # A process that waits for the file must not read half of it.
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    account = Account(AccountFlags(api_key=arguments.api_key, dialect=arguments.dialect, free=arguments.free))
    try:
        listening = listening_socket(arguments.port)
    except OSError as failure:
        raise SystemExit(f"Port {arguments.port} cannot be opened: {failure.strerror}.") from failure
    with listening:
        print(f"Codat simulator listening on {url_of(listening)}", flush=True)
        if arguments.port_file is not None:
            _write_atomically(arguments.port_file, f"{listening.getsockname()[1]}\n")
        web.run_app(application(account), sock=listening, print=None, access_log=None, shutdown_timeout=0.5)


if __name__ == "__main__":
    main()
