"""The commands ``pause show`` and ``pause lift``."""

from rich.text import Text

from ops.cli._options import STACK, Apply, AsJson, Local, StackName
from ops.cli._output import show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.cli.formatting import pause_words
from ops.clock import now
from ops.pause import in_force, lift


def show_pause(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Show the pause that is in force: until when, and why.

    Exit code 1: a pause is in force.

    Example: codat-sync pause show
    """
    standing = in_force(find_stack(stack, local=local).pause, now())
    show({"pause": standing}, f"Pause: {pause_words(standing)}", as_json=as_json)
    return FOUND if standing else FINE


def lift_pause(*, apply: Apply = False, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Lift the pause, so that functions call Codat again within five seconds.

    Where its cause still holds, the next call to Codat starts a new pause.

    Exit code 1: without --apply, there is a pause to lift.

    Example: codat-sync pause lift --apply
    """
    record = find_stack(stack, local=local).pause
    if not apply:
        standing = in_force(record, now())
        words = "There is no pause to lift."
        if standing:
            words = f"Would lift the pause {pause_words(standing)}\nNothing was changed. --apply does it."
        show({"would_lift": standing}, Text(words), as_json=as_json)
        return FOUND if standing else FINE
    lifted = lift(record)
    words = "There is no pause to lift." if lifted is None else f"Lifted: {pause_words(lifted)}"
    show({"lifted": lifted}, words, as_json=as_json)
    return FINE
