"""Locks on folders, held by one process at a time. The system releases them when that process ends, killed or not."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from local.aws.processes import StackError


@contextlib.contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock while the block runs. It makes the file, and leaves it there.

    If another process holds the lock, wait for it, or raise StackError with that process's id.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise StackError(
                f"a local stack runs already in {file.parent} (process {holder}): see {file.parent}/endpoints.env"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
