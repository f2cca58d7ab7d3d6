"""A part of the benchmark in a process of its own, so that what each costs can be told from the others."""

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
Part = Callable[..., AbstractContextManager[object]]
"""What makes the part, in its process: what the block yields is asked, by the names of its methods."""


class Apart:
    """The part, as others see it."""

    def __init__(self, pipe: Connection, name: str) -> None:
        self._pipe = pipe
        self._name = name

    def ask(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the method answers.
        """What a method answers. Raise StackError if the process ended instead, which says why on stderr."""
        with suppress(BrokenPipeError):
            self._pipe.send((method, arguments))
        return self.answer()

    def answer(self) -> Any:  # noqa: ANN401
        """The next answer."""
        try:
            return self._pipe.recv()
        except EOFError:
            raise StackError(f"{self._name} ended: what it said is above") from None


@contextmanager
def apart(part: Part, *arguments: object) -> Iterator[Apart]:
    """Start the part; its first answer, ``None``, comes when it is ready. It ends with the block, or with us."""
    context = get_context("spawn")  # A fork would have our memory, and count it as its own.
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, part, arguments), daemon=True)
    process.start()
    theirs.close()  # From here on it is theirs alone: should they end, we are told.
    try:
        with ours:
            yield Apart(ours, part.__name__)
    finally:
        process.join(GRACE_SECONDS)
        process.terminate()  # It may be at work on what nobody waits for any more.
        process.join()


def _answer(pipe: Connection, part: Part, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us all; it is for those who started this to end it.
    Thread(target=_end_with_parent, daemon=True).start()
    with part(*arguments) as asked, suppress(EOFError):
        pipe.send(None)
        while True:
            method, given = pipe.recv()
            pipe.send(getattr(asked, method)(*given))


def _end_with_parent() -> None:
    """Whatever ended it: nobody waits any more for what is being done here."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
