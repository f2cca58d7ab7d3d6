"""The stack that a command is about."""

from ops.stack import Stack


def find_stack(name: str, *, local: bool) -> Stack:
    """Return the stack of `make local`, or the one of that name. Raises as ``Stack.find`` does."""
    return Stack.local() if local else Stack.find(name)
