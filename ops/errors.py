"""The errors of the on-call's tool itself. Those of AWS, of Codat and of the presets keep their own classes."""


class OpsError(Exception):
    """An error that a person can act on.

    The text states the fact, one line for each problem. ``hint`` is one line that says what to do, or None where the
    fact says that already.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class StackNotFound(OpsError):
    """The stack does not exist in this account and region, or lacks a part that the command needs."""


class BusRefused(OpsError):
    """EventBridge did not take all of the events. The text says how many it took, and why not the first other one."""


class InvalidEvents(OpsError):
    """Some files hold no event that the stack accepts. The text has a line for each: the file and the problem."""
