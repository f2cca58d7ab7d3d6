"""codat-sync: what whoever is on call asks of a deployed stack, and tells it to do.

Results go to standard output, all else to standard error. Each command says in its help what its exit code 1 means.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from uuid import UUID

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import to_json
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from typer.core import TyperGroup

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import CodatError
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPlan
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.presets.file import InvalidPresets, Presets, validate
from codat_sync.presets.hosted import PresetsUnusable
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.findings import Finding
from codat_sync.reconciliation.queue import CompanyReconciliations, NotHandedOver
from codat_sync.reconciliation.runs import ReconciliationRuns
from ops import pause as pauses
from ops.backfill import Backfill, Surveyed
from ops.bus import Bus, BusRefused
from ops.cli import render
from ops.dlq import OUTPUTS, Dlq, Dlqs, Handled, Look, Wanted, how_many
from ops.explain import Explaining
from ops.preset_impact import Cost, Impact, cost, daily_quota, impact
from ops.preview import in_words, preview
from ops.reconcile import ask_for, ask_for_all, left_open, wait_for, wait_for_all
from ops.send import UnfitEvents, read_files, send
from ops.stack import Stack, StackNotFound

FINE: Final = 0
FOUND: Final = 1
BAD_INPUT: Final = 2
NOT_REACHED: Final = 3

DLQ_SECONDS: Final = 600.0
"""How long one look into the DLQs may take."""
TABLE_PAGE: Final = 500
CODAT_PAGE: Final = 500
WIDTH: Final = 120
"""In characters, where the output is no terminal."""

EPILOG: Final = (
    "Exit codes: 0 fine. 1 something is not as it should be; each command says what. 2 wrong usage or input. "
    "3 the stack, AWS or Codat could not be reached."
)


class _Commands(TyperGroup):
    """Says in a line what went wrong, and exits with a code that scripts can use."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # Typer's own context has no public name for this.
        try:
            return super().invoke(ctx)
        except (InvalidPresets, UnfitEvents, UnicodeDecodeError, UnknownPlan) as error:
            _fail(str(error), BAD_INPUT)
        except (StackNotFound, BotoCoreError, ClientError, BusRefused, NotHandedOver, PresetsUnusable) as error:
            _fail(str(error), NOT_REACHED)
        except (CodatError, ApiKeyUnusable) as error:
            _fail(f"Codat: {error}", NOT_REACHED)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    help="What becomes of plans at Codat: why, what next, and what to do about it.",
    epilog=EPILOG,
)
dlq = typer.Typer(no_args_is_help=True, help="The events that wait in the DLQs.")
pause = typer.Typer(no_args_is_help=True, help="The pause that holds all functions back from Codat.")
app.add_typer(dlq, name="dlq")
app.add_typer(pause, name="pause")
presets = typer.Typer(no_args_is_help=True, help="The presets that are live; others, without a deploy.")
app.add_typer(presets, name="presets")

StackName = Annotated[
    str, typer.Option("--stack", envvar="CODAT_SYNC_STACK", metavar="NAME", help="The CloudFormation stack.")
]
Local = Annotated[bool, typer.Option("--local", help="The stack of `make local`, from .local/endpoints.env.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this nothing is touched.")]
Which = Annotated[
    list[Dlq] | None,
    typer.Option("--dlq", metavar="DLQ", help=f"Only this one: {', '.join(Dlq)}. May be given more than once."),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="SLUG", help="Only what is there for this reason.")]
OfCompany = Annotated[UUID | None, typer.Option("--company", metavar="ID", help="Only what is about this company.")]
CompanyId = Annotated[UUID, typer.Argument(metavar="COMPANY", help="Codat's id of the company.")]

STACK: Final = "codat-sync"


@app.command()
def explain(company: CompanyId, *, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """Why does this company have these settings? Reads only.

    Exit code 1: Codat is not at the preset of its plan, an event of it lies in a DLQ, or there is no such company.
    """
    at = _stack(stack, local=local)
    explaining = Explaining(at.codat, at.plans, at.presets, _dlqs(at), at.pause, _now)
    about = explaining.explain(company)
    _print(about, render.explanation(about, _now()), as_json=as_json)
    if about.at_codat is None and about.finding is not Finding.GONE:
        _exit(NOT_REACHED)
    _exit(FINE if about.finding is Finding.IN_STEP and not about.letters else FOUND)


@app.command("preview")
def preview_(
    plan: Annotated[str | None, typer.Argument(metavar="PLAN", help="A plan of the presets.")] = None,
    company: Annotated[UUID | None, typer.Argument(metavar="COMPANY", help="Codat's id of a company.")] = None,
    *,
    new: Annotated[
        Path | None, typer.Option("--presets", exists=True, dir_okay=False, help="New presets, for all companies.")
    ] = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """What a plan stands for; what it would change for a company; or what new presets would change for all. Reads only.

    New presets are compared with those that are live, and make one call to Codat, to ask for its quota.

    Exit code 1: new presets lack the plan of a company, or one reconciliation would not fit a day's share of the quota.
    """
    if new is not None and plan is None:
        found, price = _weigh(Presets.parse(new.read_bytes()), _stack(stack, local=local))
        _print({"impact": found, "cost": price}, render.impact(found, price), as_json=as_json)
        _exit(FOUND if _is_much(found, price) else FINE)
    elif new is not None or plan is None:
        raise typer.BadParameter("give either a PLAN or --presets FILE")
    elif company is None:
        words = in_words(Presets.packaged(), plan)
        _print(words, render.preset(words), as_json=as_json)
    else:
        at = _stack(stack, local=local)
        changes = preview(at.presets, plan, company, Convergence(at.codat, at.plans, at.presets, _now))
        _print(changes, render.preview(changes), as_json=as_json)


def _weigh(new: Presets, at: Stack) -> tuple[Impact, Cost]:
    with _progress("companies") as seen:
        found = impact(at.presets, new, _companies(at, seen))
    pace, share = int(at.parameter("ReconcileCallsPerMinute")), int(at.parameter("ReconcileQuotaShare"))
    return found, cost(found, pace, daily_quota(at.codat), share)


def _is_much(found: Impact, price: Cost) -> bool:
    return found.stranded > 0 or (price.days or 0) > 1


@presets.command("show")
def show_presets(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """The file of presets that is live: the one in AppConfig, else the one of this version."""
    content = _stack(stack, local=local).presets_file
    if as_json:
        typer.echo(to_json({"sha256": hashlib.sha256(content).hexdigest(), "toml": content}, indent=2))
    else:
        typer.echo(content, nl=False)


@presets.command("put")
def put_presets(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The whole file.")],
    *,
    apply: Apply = False,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Put presets into AppConfig, which brings them in by and by. What they change is shown first, as by preview.

    Exit code 1: as that of preview --presets. Presets that take a plan away from companies are not put there.
    """
    content = file.read_bytes()
    validate(content, Presets.packaged())
    at = _stack(stack, local=local)
    appconfig = at.presets_in_appconfig
    found, price = _weigh(Presets.parse(content), at)
    takes_away = any(each.is_gone and each.plan in at.presets.plans for each in found.plans)
    rollout = appconfig.put(content) if apply and not takes_away else None
    data = {"impact": found, "cost": price, "rollout": rollout}
    _print(data, render.put(found, price, rollout, asked=apply), as_json=as_json)
    _exit(FOUND if _is_much(found, price) else FINE)


@presets.command("status")
def presets_status(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """How far the newest presets in AppConfig have come.

    Exit code 1: they are not live for everybody, or not any more.
    """
    newest = _stack(stack, local=local).presets_in_appconfig.newest()
    _print(newest, render.rollout(newest), as_json=as_json)
    _exit(FINE if newest is None or newest.is_over else FOUND)


@dlq.command("list")
def list_(
    *,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """What lies in the DLQs, by reason, with the newest in words. Touches nothing.

    Exit code 1: something does.
    """
    at = _stack(stack, local=local)
    with _progress("messages", _how_many(at, which)) as seen:
        look = _dlqs(at, which).look(Wanted(reason, company), seen)
    _print(_listed(look), render.groups(look, _now()), as_json=as_json)
    _exit(FOUND if look.letters else FINE)


@dlq.command()
def show(
    *,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Each event with all that stands beside it. Touches nothing.

    Exit code 1: there is one.
    """
    at = _stack(stack, local=local)
    with _progress("messages", _how_many(at, which)) as seen:
        look = _dlqs(at, which).look(Wanted(reason, company), seen)
    _print(look, render.letters(look, _now()), as_json=as_json)
    _exit(FOUND if look.letters else FINE)


@dlq.command()
def redrive(
    *,
    apply: Apply = False,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Bring events back to the queues that they came from; there they end as any event does.

    Exit code 1: without --apply, there is something to bring back; with it, something could not be.
    """
    wanted = Wanted(reason, company)
    _handle(_stack(stack, local=local), which, wanted, Dlqs.bring_back, "brought back", apply=apply, as_json=as_json)


@dlq.command()
def discard(
    *,
    apply: Apply = False,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Delete events for good.

    Exit code 1: without --apply, there is something to delete; with it, something could not be.
    """
    wanted = Wanted(reason, company)
    _handle(_stack(stack, local=local), which, wanted, Dlqs.throw_away, "discarded", apply=apply, as_json=as_json)


def _handle(
    at: Stack,
    which: Sequence[Dlq] | None,
    wanted: Wanted,
    act: Callable[[Dlqs, Wanted, Callable[[int], None]], Handled],
    done: str,
    *,
    apply: bool,
    as_json: bool,
) -> None:
    dlqs = _dlqs(at, which)
    with _progress("messages", _how_many(at, which)) as seen:
        found = act(dlqs, wanted, seen) if apply else dlqs.look(wanted, seen)
    if isinstance(found, Handled):
        _print(found, render.handled(found, done), as_json=as_json)
        _exit(FOUND if found.failed or not found.complete else FINE)
    else:
        _print(_listed(found), render.to_handle(found, done, _now()), as_json=as_json)
        _exit(FOUND if found.letters else FINE)


def _listed(look: Look) -> dict[str, object]:
    return {"groups": look.groups, "complete": look.complete}


@app.command("send")
def send_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="One envelope in each.")
    ],
    *,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Put events on the bus, such as the samples in events/. All are good, or none is sent."""
    events = read_files(files, now=_now())
    sent = send(events, _bus(_stack(stack, local=local)))
    _print(sent, render.sent(sent), as_json=as_json)


@app.command()
def reconcile(
    companies: Annotated[
        list[UUID] | None, typer.Argument(metavar="COMPANY", help="Codat's ids; without one, all companies.")
    ] = None,
    *,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="All companies: say what drifted, no more.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is done; Ctrl-C ends the waiting alone.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Ask for nothing; show the newest over all.")] = False,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Have companies looked at, and brought to their presets where they are not.

    One that is named and not known to us gets the default plan; backfill asks for such by their tags.

    Exit code 1, with --wait or --status: companies are left out of step, or not all have been seen to yet.
    """
    if companies and (report_only or status):
        raise typer.BadParameter("--report-only and --status are about all companies")
    if status and (report_only or wait):
        raise typer.BadParameter("--status asks for nothing")
    at = _stack(stack, local=local)
    if companies:
        _reconcile(companies, at, wait=wait, as_json=as_json)
    else:
        _reconcile_all(at, report_only=report_only, wait=wait, status=status, as_json=as_json)


def _reconcile(companies: Sequence[UUID], at: Stack, *, wait: bool, as_json: bool) -> None:
    since = _now()
    event_ids = ask_for(_bus(at), companies)
    if not wait:
        _print({"event_ids": event_ids}, f"Asked for: {', '.join(event_ids)}", as_json=as_json)
        return
    done = wait_for(at.plans, companies, since=since, sleep=time.sleep)
    _print(done, render.reconciled(done), as_json=as_json)
    _exit(FOUND if any(each.failed for each in done) else FINE)


def _reconcile_all(at: Stack, *, report_only: bool, wait: bool, status: bool, as_json: bool) -> None:
    runs = ReconciliationRuns(at.dynamodb, at.output("CompanyPlansTableName"))
    newest = runs.newest() if status else None
    if not status:
        request = ask_for_all(_bus(at), report_only=report_only, now=_now())
        if not wait:
            _print({"event_ids": [request.request_id]}, f"Asked for: {request.request_id}", as_json=as_json)
            return
        with _progress("companies") as seen:
            newest = wait_for_all(runs, request, sleep=time.sleep, on_checked=seen)
    _print(newest, render.run(newest, _now()), as_json=as_json)
    _exit(FOUND if newest is None or newest.finished_at is None or left_open(newest) else FINE)


@app.command()
def backfill(*, apply: Apply = False, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """Ask for Codat's companies that we do not know: by the plan of their tag, else by the default plan.

    Exit code 1: without --apply, there are some.
    """
    at = _stack(stack, local=local)
    began = _now()
    engine = Backfill(
        lambda: at.codat.list_companies(page_size=CODAT_PAGE),
        at.plans,
        at.presets,
        CompanyReconciliations(at.sqs, at.output("CompanyReconciliationsQueueUrl")).send,
        plan_tag=at.parameter("CompanyPlanTag"),
        name=f"backfill-{began:%Y%m%dT%H%M%SZ}",
        now=_now,
    )
    total = Surveyed()
    with _progress("companies") as seen:
        for some in engine.enqueue() if apply else engine.survey():
            total += some
            seen(some.known + some.plans.total())
    _print(total, render.surveyed(total, applied=apply), as_json=as_json)
    _exit(FOUND if total.plans and not apply else FINE)


@pause.command("show")
def show_pause(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """Until when nobody calls Codat, and why.

    Exit code 1: a pause is in force.
    """
    standing = _stack(stack, local=local).pause.read()
    in_force = standing if standing is not None and standing.until > _now() else None
    _print({"pause": in_force}, f"Pause: {render.pause_words(in_force)}", as_json=as_json)
    _exit(FOUND if in_force else FINE)


@pause.command("lift")
def lift_pause(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> None:
    """Let the functions call Codat again, within five seconds. What called for the pause may bring it back."""
    lifted = pauses.lift(_stack(stack, local=local).pause)
    words = "There was none to lift." if lifted is None else f"Lifted: {render.pause_words(lifted)}"
    _print({"lifted": lifted}, words, as_json=as_json)


def main() -> None:
    """The console script."""
    app(prog_name="codat-sync")


def _now() -> datetime:
    return datetime.now(UTC)


def _stack(name: str, *, local: bool) -> Stack:
    return Stack.local() if local else Stack.find(name)


def _bus(at: Stack) -> Bus:
    return Bus(at.events, at.output("EventBusName"))


def _dlqs(at: Stack, which: Sequence[Dlq] | None = None) -> Dlqs:
    queues = {each: DeadLetterQueue(at.sqs, at.output(OUTPUTS[each]), _now) for each in which or Dlq}
    return Dlqs(queues, seconds=DLQ_SECONDS, now=_now, monotonic=time.monotonic)


def _how_many(at: Stack, which: Sequence[Dlq] | None) -> int:
    return sum(how_many(at.sqs, at.output(OUTPUTS[each])) for each in which or Dlq)


def _companies(at: Stack, seen: Callable[[int], None]) -> Iterator[CompanyPlan]:
    """All that we know."""
    after: str | None = None
    while True:
        page = at.plans.page(after, TABLE_PAGE)
        seen(len(page.companies))
        yield from page.companies
        if page.last is None:
            return
        after = page.last


@contextmanager
def _progress(of: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; it is told how many more there are."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(of, total=total)
        yield lambda count: bar.advance(task, count)


def _print(data: object, view: RenderableType, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(data, indent=2))
        return
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH).print(view)


def _fail(words: str, code: int) -> NoReturn:
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(words, style="red")
    raise typer.Exit(code)


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)
