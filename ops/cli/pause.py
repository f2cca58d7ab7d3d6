"""The commands ``pause show`` and ``pause lift``."""

from ops.cli._options import STACK, AsJson, Local, StackName
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


def lift_pause(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Lift the pause, so that functions call Codat again within five seconds.

    Where its cause still holds, the next call to Codat starts a new pause.

    Example: codat-sync pause lift
    """
    lifted = lift(find_stack(stack, local=local).pause)
    words = "There is no pause to lift." if lifted is None else f"Lifted: {pause_words(lifted)}"
    show({"lifted": lifted}, words, as_json=as_json)
    return FINE
