"""Make all checks, in the order in which a person would look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.presets.hosted import PresetsUnusable
from ops.doctor import alarms, codat, key, machine, stack_parts, traffic
from ops.doctor.deployed_presets import same_presets
from ops.doctor.finding import Finding, Light, red, unanswered, yellow
from ops.doctor.subject import Subject
from ops.errors import StackNotFound

Check = Callable[[Subject], Finding]

ACCESS: Final[Mapping[str, Check]] = {"region": machine.region, "credentials": machine.credentials}
"""Without these, no other check can be made."""
BEFORE: Final[Mapping[str, Check]] = {
    "Python": machine.python,
    "presets": machine.presets,
    "secret": codat.secret,
    "Codat": codat.answer,
    "quota": codat.quota,
}
"""What can be checked before there is a stack."""
AFTER: Final[Mapping[str, Check]] = {
    "stack": stack_parts.status,
    "presets deployed": same_presets,
    "KMS key": key.key_policy,
    "bus": stack_parts.bus,
    "mappings": stack_parts.mappings,
    "alias weights": stack_parts.weights,
    "concurrency": stack_parts.concurrency,
    "alarm actions": alarms.actions,
    "alarm topic": alarms.topic,
    "alarms": alarms.ringing,
    "pause": codat.pause,
    "DLQs": traffic.dlqs,
    "last event": traffic.last_event,
    "last reconciliation": traffic.last_run,
}
_FORBIDDEN: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_UNKNOWN_HERE: Final = frozenset({"InvalidAction", "NotImplemented", "UnknownOperationException"})
"""How an emulator refuses a call that it does not know."""


@dataclass(frozen=True)
class Line:
    """One line of the examination: the name of the check, and what it found."""

    check: str
    light: Light
    words: str
    action: str | None


def reach(subject: Subject) -> list[Line]:
    """Return a line for each check of the access to AWS, up to the first that is red. Needs no stack."""
    lines: list[Line] = []
    for name, check in ACCESS.items():
        lines.append(_line(name, check, subject))
        if lines[-1].light is Light.RED:
            break
    return lines


def examine(subject: Subject, *, deployed: bool) -> list[Line]:
    """Return a line for each further check. Changes nothing, and raises no error of AWS or Codat: they are lines, too.

    Where the stack is not ``deployed``, only what needs no stack is checked, and a line says so.
    """
    if deployed:
        return [_line(name, check, subject) for name, check in {**BEFORE, **AFTER}.items()]
    lines = [_line(name, check, subject) for name, check in BEFORE.items()]
    words = f"there is no stack {subject.stack.name!r} in {subject.stack.aws.session.region_name}"
    return [*lines, Line("stack", Light.YELLOW, words, "deploy it (docs/deploy.md), or name another with --stack")]


def _line(name: str, check: Check, subject: Subject) -> Line:
    try:
        finding = check(subject)
    except ClientError as error:
        finding = _refused(error, in_emulator=subject.in_emulator)
    except BotoCoreError as error:
        finding = red(f"AWS: {error}", "check the credentials, the network and the region (AWS_REGION)")
    except StackNotFound as error:
        finding = red(str(error), error.hint or "deploy the stack again")
    except PresetsUnusable as error:
        finding = red(str(error), "docs/runbook.md says what to do about `presets_unusable`")
    return Line(name, finding.light, finding.words, finding.action)


def _refused(error: ClientError, *, in_emulator: bool) -> Finding:
    code, operation = error.response["Error"].get("Code", ""), error.operation_name
    if code in _FORBIDDEN:
        return yellow(f"not seen: AWS does not allow you {operation}", "docs/runbook.md lists the permissions it needs")
    if in_emulator and code in _UNKNOWN_HERE:
        return unanswered(f"the emulator does not know {operation}")
    words = " ".join(str(error.response["Error"].get("Message", "")).split())
    return red(f"AWS refused {operation}: {code}: {words}", "sign in again, or deploy what is missing")
