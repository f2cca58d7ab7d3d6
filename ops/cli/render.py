"""How what was found looks to a person."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from codat_sync.codat.differences import Difference
from codat_sync.companies.pause import Pause
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.findings import Finding
from codat_sync.reconciliation.runs import TALLIED, Run
from ops.backfill import Surveyed
from ops.diagnosis import WHO_SAID
from ops.dlq import Group, Handled, Letter, Look
from ops.explain import Explanation
from ops.preset_impact import Change, Cost, Impact
from ops.presets_in_appconfig import Rollout
from ops.preview import CompanyPreview, PresetInWords
from ops.reconcile import Reconciled, still_open
from ops.send import Sent

_NAMES: Final = 3
_LETTERS: Final = 3


def moment(at: datetime, now: datetime | None = None) -> str:
    """In UTC, to the minute; with ``now``, also how long ago."""
    text = at.strftime("%Y-%m-%d %H:%M UTC")
    return text if now is None else f"{text} ({_ago(now - at)})"


def some_of(names: Sequence[str], most: int = _NAMES) -> str:
    """The first names, and how many more."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else ", ".join(names)


def changes(found: Iterable[Difference], most: int = _NAMES) -> list[str]:
    """A line for what changes alike: "invoices, bills and 6 more: daily → hourly"."""
    alike: dict[tuple[str, str], list[str]] = {}
    for difference in found:
        change = f"{difference.before} → {difference.after}"
        alike.setdefault((difference.field, change), []).append(difference.data_type or "")
    return [_change(names, field, change, most) for (field, change), names in alike.items()]


def explanation(about: Explanation, now: datetime) -> RenderableType:
    """One screen."""
    name = about.at_codat.name if about.at_codat else None
    table = _fields()
    _add_record(table, about, now)
    _add_letters(table, about, now)
    table.add_row("pause", Text(pause_words(about.pause), "yellow" if about.pause else "dim"))
    _add_codat(table, about)
    title = Text.assemble((name or "Company", "bold"), f"  {about.company_id}")
    return Lines(title, table, Text(), Text(about.because, "bold"))


def preset(words: PresetInWords) -> RenderableType:
    """The frequencies, each with its data types."""
    table = _fields()
    if words.use_account_defaults:
        table.add_row("as the account", "the Codat account's own settings apply")
    for frequency, data_types in words.data_types.items():
        table.add_row(frequency, f"{len(data_types)}: {', '.join(data_types)}")
    if words.on_payment_required:
        table.add_row("without hourly", f"where Codat's bill has none, {words.on_payment_required} stands in for it")
    return Lines(Text(words.plan, "bold"), table)


def preview(plan: CompanyPreview) -> RenderableType:
    """What would change, and what would not."""
    lines: list[RenderableType] = [Text(f"{plan.plan} for company {plan.company_id}", "bold")]
    lines += [Padding(Text(f"~ {line}", "yellow"), (0, 0, 0, 2)) for line in changes(plan.differences, most=50)]
    if plan.refused_narrowing:
        lines.append(
            Padding(f"! history would become narrower, and stays: {', '.join(plan.refused_narrowing)}", (0, 2))
        )
    if plan.locked:
        lines.append(Padding(f"! locked by Codat, and stay: {', '.join(plan.locked)}", (0, 2)))
    count = len({difference.data_type for difference in plan.differences})
    lines.append(Text(f"{count} would change, {plan.stay} stay as they are.", "bold"))
    return Lines(*lines)


def impact(of: Impact, cost: Cost) -> RenderableType:
    """Plan by plan, and what a reconciliation would cost."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("plan", "companies", "would change", "in what"):
        table.add_column(column, justify="right" if column in {"companies", "would change"} else "left")
    for plan in of.plans:
        what = "\n".join(_impact_lines([change for change in of.changes if change.plan == plan.plan]))
        gone = Text("the new presets know no such plan", "red")
        table.add_row(plan.plan, f"{plan.companies:,}", f"{plan.changed:,}", gone if plan.is_gone else what)
    if cost.days is None:
        fits = f"Codat's daily quota is not known ({cost.quota.unknown_because})"
    else:
        share = f"the {cost.quota_share} % of the daily quota of {cost.quota.limit:,} that it may use"
        fits = f"within {share}" if cost.days <= 1 else f"{cost.days} days, since it is more than {share}"
    how_long = f"{_duration(timedelta(minutes=cost.minutes))} at {cost.calls_per_minute} a minute"
    return Lines(
        table,
        Text(),
        Text(f"{of.changed:,} of {of.companies:,} companies would change.", "bold"),
        Text(f"A reconciliation would make {cost.calls:,} calls to Codat, {how_long}; {fits}."),
    )


def put(of: Impact, cost: Cost, begun: Rollout | None, *, asked: bool) -> RenderableType:
    """What new presets would change, and whether they are on their way. ``asked``: whether they should be."""
    if begun is not None:
        end: RenderableType = rollout(begun)
    elif asked:
        end = Text("Nothing was touched: there are companies on a plan that would be gone.", "bold red")
    else:
        end = Text("Nothing was touched: --apply puts them there.", "bold")
    return Lines(impact(of, cost), Text(), end)


def rollout(newest: Rollout | None) -> RenderableType:
    """One line, and AppConfig's newest word."""
    if newest is None:
        return Text("Nothing was ever put there: the packaged presets are live.", "bold")
    line = f"Deployment {newest.number} of version {newest.version}: {newest.state}, {newest.percent:g} %"
    return Lines(Text(line, "bold"), *([Text(newest.words, "dim")] if newest.words else []))


def groups(found: Look, now: datetime) -> RenderableType:
    """What lies in the DLQs, by reason."""
    if not found.letters:
        return Lines("Nothing was found in the DLQs.", *_incomplete(found))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("DLQ", "reason", "count", "oldest", "newest", "the newest in words"):
        table.add_column(column, justify="right" if column == "count" else "left")
    for group in found.groups:
        table.add_row(*_group(group, now))
    return Lines(table, *_incomplete(found))


def letters(found: Look, now: datetime) -> RenderableType:
    """Each event, with all that stands beside it and its body."""
    shown: list[RenderableType] = []
    for letter in found.letters:
        table = _fields()
        for title, value in _letter(letter, now).items():
            if value:
                table.add_row(title, value)
        shown += [Text(f"{letter.dlq}: {letter.reason}", "bold"), table, Padding(letter.body.strip(), (0, 2)), Text()]
    return Lines(*(shown or ["Nothing was found in the DLQs."]), *_incomplete(found))


def handled(result: Handled, done: str) -> RenderableType:
    """``done``: in a word, such as "brought back"."""
    lines: list[RenderableType] = [Text(f"{len(result.letters):,} {done}.", "bold")]
    for why, count in Counter(why for _, why in result.failed).most_common():
        lines.append(Text(f"{count:,} not, and still there: {why}", "red"))
    return Lines(*lines, *_incomplete(result))


def to_handle(found: Look, done: str, now: datetime) -> RenderableType:
    """The dry run of ``handled``."""
    if not found.letters:
        return groups(found, now)
    hint = f"{len(found.letters):,} would be {done}. Nothing was touched: --apply does it."
    return Lines(groups(found, now), Text(), Text(hint, "bold"))


def sent(events: Sequence[Sent]) -> RenderableType:
    """A line for each event."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", overflow="fold")
    table.add_column("company", no_wrap=True)
    table.add_column("event id", no_wrap=True)
    for event in events:
        table.add_row(str(event.file), str(event.company_id or "—"), event.event_id)
    return table


def run(newest: Run | None, now: datetime) -> RenderableType:
    """What a reconciliation has found, and what became of it."""
    if newest is None:
        return "No reconciliation has ever run."
    table = _fields()
    table.add_row("began", moment(newest.started_at, now))
    table.add_row(*_state(newest, now))
    counts = newest.counts
    table.add_row("checked", f"{counts.get('checked', 0):,} companies")
    table.add_row("drifted", f"{counts.get('drifted', 0):,}")
    beside = {"checked", "drifted", "handed_over"}
    for finding, count in sorted(counts.items()):
        if finding not in beside and count:
            table.add_row(Text(f"  {finding.replace('_', ' ').replace('codat', 'Codat')}", "dim"), f"{count:,}")
    for title, counted in (("in what", newest.by_data_type), ("plans", newest.by_plan)):
        if counted:
            table.add_row(title, ", ".join(f"{name} {count:,}" for name, count in Counter(counted).most_common()))
    for outcome, counter in TALLIED.items():
        if newest.outcomes.get(counter):
            table.add_row(_OUTCOMES[outcome], f"{newest.outcomes[counter]:,}")
    if still_open(newest):
        table.add_row("still open", f"{still_open(newest):,}")
    for company_id, times in newest.keeps_drifting:
        table.add_row("keeps drifting", f"{company_id}, {times} times in a row")
    mode = "report only" if newest.report_only else "with repairs"
    return Lines(Text(f"Reconciliation {newest.run_id} ({mode})", "bold"), table)


def reconciled(companies: Sequence[Reconciled]) -> RenderableType:
    """A line for each company."""
    table = _fields()
    for company in companies:
        words = Text(company.failed, "red") if company.failed else Text(f"at the preset of {company.plan}", "green")
        table.add_row(str(company.company_id), words)
    return table


def _state(newest: Run, now: datetime) -> tuple[str, str]:
    if newest.finished_at:
        return "ended", moment(newest.finished_at, now)
    return "at work", f"last heard of {moment(newest.progress_at, now)}"


def surveyed(total: Surveyed, *, applied: bool) -> RenderableType:
    """Which plan each company would get that we do not know."""
    unknown = total.plans.total()
    everybody = f"{total.known + unknown:,} companies"
    if not unknown:
        return Text(f"All of Codat's {everybody} are known to us.", "bold")
    table = _fields()
    for plan, count in total.plans.most_common():
        table.add_row(plan, f"{count:,}")
    lines: list[RenderableType] = [table]
    if total.untagged:
        lines.append(Text(f"Without a tag, and so on the default plan: {total.untagged:,}.", "dim"))
    if total.unknown_tags:
        tags = some_of([f"{tag} {count:,}" for tag, count in total.unknown_tags.most_common()])
        lines.append(Text(f"With a tag that names no plan, and so on the default plan: {tags}.", "yellow"))
    end = "were asked for." if applied else "are not known to us. Nothing was touched: --apply asks for them."
    return Lines(*lines, Text(f"{unknown:,} of Codat's {everybody} {end}", "bold"))


def pause_words(standing: Pause | None) -> str:
    """In one line."""
    if standing is None:
        return "none is in force"
    return f"until {moment(standing.until)}: {standing.reason}: {standing.words}"


_OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.APPLIED: "repaired",
    Outcome.UNCHANGED: "in step by then",
    Outcome.DEGRADED: "without hourly",
    Outcome.PARKED_PAYMENT_REQUIRED: "parked: payment",
    Outcome.PARKED_FAILED: "parked: failed",
}


def _fields() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _once(title: str) -> Iterable[str]:
    yield title
    while True:
        yield ""


def _add_record(table: Table, about: Explanation, now: datetime) -> None:
    record = about.record
    if record is None:
        table.add_row("plan", Text("nobody has told us of one", "yellow"))
        return
    desired, applied, failure = record.desired, record.applied, record.last_failure
    table.add_row("plan", f"{desired.plan}: {WHO_SAID[desired.authority]}")
    table.add_row("", f"event {desired.event_id}, recorded {moment(record.desired_at, now)}")
    if about.occurred_at:
        table.add_row("", f"it occurred {moment(about.occurred_at)}")
    if applied and record.applied_at:
        instead = f", without hourly: {applied.degraded_to} stands in" if applied.degraded_to else ""
        table.add_row("applied", f"{applied.plan}{instead}")
        table.add_row("", f"event {applied.event_id}, confirmed {moment(record.applied_at, now)}")
    else:
        table.add_row("applied", Text("never", "yellow"))
    if failure:
        since = ", but not since" if record.applied_at and record.applied_at > failure.at else ""
        table.add_row("last failure", f"{moment(failure.at, now)}{since}: {failure.reason}: {failure.words}")
    if record.drifted_at:
        in_a_row = {0: "in step since", 1: "once"}.get(record.times_drifted, f"{record.times_drifted} times in a row")
        table.add_row("drifted", f"{moment(record.drifted_at, now)}: {in_a_row}")


def _add_letters(table: Table, about: Explanation, now: datetime) -> None:
    if not about.letters:
        table.add_row("in a DLQ", Text("nothing", "dim"))
    for title, letter in zip(_once("in a DLQ"), reversed(about.letters[-_LETTERS:]), strict=False):
        table.add_row(title, f"{letter.dlq}, {moment(letter.parked_at, now)}: {letter.why}")
    if len(about.letters) > _LETTERS:
        table.add_row("", f"and {len(about.letters) - _LETTERS} older")
    if not about.all_letters:
        table.add_row("", Text("there was no time to look at all of the DLQs", "yellow"))


def _add_codat(table: Table, about: Explanation) -> None:
    shown = about.at_codat
    if shown is None:
        table.add_row("at Codat", Text(f"not shown: {about.not_shown_because}", "red"))
        return
    table.add_row("at Codat", "its own settings" if shown.overrides_defaults else "the account's settings")
    for frequency, data_types in shown.data_types.items():
        table.add_row("", f"{frequency} {len(data_types)}: {some_of(data_types)}")
    if shown.locked:
        table.add_row("", f"locked by Codat: {some_of(shown.locked)}")
    if about.finding in {None, Finding.UNKNOWN_PLAN}:
        return
    for title, line in zip(_once("to the preset"), changes(about.differences), strict=False):
        table.add_row(title, Text(line, "yellow"))
    if not about.differences:
        table.add_row("to the preset", Text("no difference", "green"))


def _change(names: Sequence[str], field: str, change: str, most: int) -> str:
    """What has no name concerns the settings as a whole."""
    what = "" if field == "sync_schedule" else field.replace("_", " ")
    subject = " ".join(filter(None, (some_of([name for name in names if name], most), what)))
    return f"{subject}: {change}"


def _impact_lines(of_plan: Sequence[Change]) -> list[str]:
    alike: dict[tuple[str, str, int], list[str]] = {}
    for change in of_plan:
        key = (change.field, f"{change.before} → {change.after}", change.companies)
        alike.setdefault(key, []).append(change.data_type or "")
    return [f"{_change(names, field, change, _NAMES)} ({count:,})" for (field, change, count), names in alike.items()]


def _group(group: Group, now: datetime) -> list[str]:
    oldest, newest = (_ago(now - at) for at in (group.oldest, group.newest))
    return [group.dlq, group.reason, f"{group.count:,}", oldest, newest, group.words or ""]


def _letter(letter: Letter, now: datetime) -> dict[str, str | None]:
    return {
        "words": letter.words,
        "parked": moment(letter.parked_at, now),
        "company": str(letter.company_id) if letter.company_id else None,
        "plan": letter.plan,
        "event": letter.event_id,
        "status": letter.status,
        "Codat's id": letter.correlation_id,
        "came from": letter.source_queue,
    }


def _incomplete(found: Look) -> list[RenderableType]:
    return [] if found.complete else [Text("There was no time to look at all of it.", "yellow")]


def _ago(span: timedelta) -> str:
    return f"{_duration(span)} ago" if span > timedelta(0) else "just now"


def _duration(span: timedelta) -> str:
    """In the two largest units, such as "2 d 3 h"."""
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return f"{max(1, round(span.total_seconds()))} s"
    units = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{count:,} {unit}" for count, unit in [each for each in units if each[0]][:2])
