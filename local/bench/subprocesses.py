"""Runs a service of the benchmark in a process of its own, so that its CPU and memory can be measured."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Final

from local.aws.processes import StackError

GRACE_SECONDS: Final = 2.0
Service = Callable[..., AbstractContextManager[object]]
"""A context manager that the process enters. The methods of the object that it yields are then called by name."""


class Subprocess:
    """A service in a process of its own, from the side of the caller."""

    def __init__(self, pipe: Connection, name: str) -> None:
        self._pipe = pipe
        self._name = name

    def wait_until_ready(self) -> None:
        """Raise ``StackError`` if the process ends before the service is ready. It writes the reason to stderr."""
        self._receive()

    def call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the method returns.
        """Call a method of the service and return its result. Raise ``StackError`` if the process ends instead."""
        with suppress(BrokenPipeError):
            self._pipe.send((method, arguments))
        return self._receive()

    def _receive(self) -> Any:  # noqa: ANN401
        try:
            return self._pipe.recv()
        except EOFError:
            raise StackError(f"{self._name} ended\nThe reason is in the output above.") from None


@contextmanager
def subprocess_of(service: Service, *arguments: object) -> Iterator[Subprocess]:
    """Start the service in a process, without waiting until it is ready.

    The process ends with the block, or with its parent, whichever ends first.
    """
    context = get_context("spawn")  # A fork would inherit this process's memory, and count it as its own.
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, service, arguments), daemon=True)
    process.start()
    theirs.close()  # Only the process holds this end now, so `recv` fails once it has ended.
    try:
        with ours:
            yield Subprocess(ours, service.__name__)
    finally:
        process.join(GRACE_SECONDS)
        process.terminate()  # It may still be at work on a call.
        process.join()


def _serve(pipe: Connection, service: Service, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes. The parent ends this one.
    Thread(target=_end_with_parent, daemon=True).start()
    with service(*arguments) as served, suppress(EOFError):
        pipe.send(None)
        while True:
            method, given = pipe.recv()
            pipe.send(getattr(served, method)(*given))


def _end_with_parent() -> None:
    """End this process when its parent has ended, for whatever reason."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
