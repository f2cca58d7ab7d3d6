"""The report of a storm: tables, and the problems in words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from codat_sync.outcomes.triage import Outcome
from local.chaos.ledger import Ledger
from local.chaos.log_summary import LogSummary


@dataclass(frozen=True)
class Report:
    """The results of one storm."""

    ledger: Ledger
    logs: LogSummary
    without_outcome: Sequence[str]
    """Events for which the functions logged no final outcome. A killed worker logs nothing."""
    sending_seconds: float
    settling_seconds: float
    kills_wanted: int
    kills_sent: int
    interrupted: int
    """Invocations that a kill interrupted."""
    failed: int
    """Invocations that failed for another reason."""
    pauses_lifted: int
    put_back: Counter[tuple[str, str]]
    """Events that an operator put back, by DLQ and reason."""
    answers: Counter[tuple[str, str]]
    """Codat's answers, by method and status."""

    @property
    def problems(self) -> list[str]:
        """Why the storm is a failure; empty for a success."""
        problems = list(self.ledger.problems)
        if self.interrupted < self.kills_wanted:
            problems.append(f"kills interrupted only {self.interrupted} of {self.kills_wanted} invocations")
        return problems

    def ledger_table(self) -> Table:
        """Return the ledger, with the functions' own logs beside it."""
        table = Table(title="Ledger", title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("observed at Codat, queues and table", justify="right")
        table.add_column("logged by the functions", justify="right")
        for row in (*self._event_rows(), *self._company_rows()):
            table.add_row(*row)
        table.add_section()
        for row in self._log_rows():
            table.add_row(*row)
        return table

    def storm_table(self) -> Table:
        """Return what the ledger does not show: times, kills, the operator's work and Codat's answers."""
        table = Table(title="Storm", title_justify="left", title_style="bold", show_header=False)
        table.add_column("")
        table.add_column("", justify="right")
        seconds = self.sending_seconds + self.settling_seconds
        table.add_row("sending", f"{self.sending_seconds:.0f} s")
        table.add_row("settling", f"{self.settling_seconds:.0f} s")
        table.add_row("deliveries per second", f"{self.ledger.events.deliveries / seconds:.1f}")
        table.add_row("workers killed (SIGKILL)", str(self.kills_sent))
        table.add_row("  invocations interrupted by it", f"{self.interrupted} of {self.kills_wanted} wanted")
        table.add_row("invocations that failed otherwise", str(self.failed))
        table.add_row("pauses lifted by an operator", str(self.pauses_lifted))
        for (dlq, reason), count in sorted(self.put_back.items()):
            table.add_row(f"put back: {dlq.removesuffix('QueueUrl')}, {reason}", f"{count:,}")
        for (method, status), count in sorted(self.answers.items()):
            table.add_row(f"Codat: {method} {status}", f"{count:,}")
        return table

    def _event_rows(self) -> Iterator[tuple[str, str, str]]:
        events, logged = self.ledger.events, self.logs.outcomes
        parked = sum(count for count, _ in events.parked.values())
        yield "events sent", f"{events.sent:,}", ""
        yield "  deliveries", f"{events.deliveries:,}", f"{logged.total() - logged[Outcome.DEFERRED]:,} settled"
        yield "settled: on no queue any more", f"{events.settled:,}", ""
        for reason, (count, copies) in events.parked.items():
            yield f"parked: {reason}", f"{count:,} ({copies:,} copies)", ""
        yield "settled + parked", f"{events.settled + parked:,}", ""
        yield "events missing", str(len(events.missing)), str(len(self.without_outcome))
        yield "events parked that should not be", str(len(events.wrongly_parked)), ""
        yield "events parked that were never sent", str(len(events.never_sent)), ""
        yield "events parked with other content", str(len(events.altered)), ""
        yield "copies parked beyond the deliveries", str(events.excess_copies), ""

    def _company_rows(self) -> Iterator[tuple[str, str, str]]:
        companies, logged = self.ledger.companies, self.logs.outcomes
        applied = logged[Outcome.APPLIED] + logged[Outcome.DEGRADED]
        yield "companies", f"{companies.count:,}", ""
        yield "  with another plan than the newest", str(len(companies.wrong_plans)), ""
        yield "  not at the preset of the newest plan", str(len(companies.wrong_settings)), ""
        yield "  changed without an event", str(len(companies.changed_without_event)), ""
        yield "writes accepted by Codat", companies.writes_in_words, f"{applied:,}"

    def _log_rows(self) -> Iterator[tuple[str, str, str]]:
        for outcome, count in self.logs.outcomes.most_common():
            yield outcome.replace("_", " "), "", f"{count:,}"
        for reason, count in self.logs.deferred_for.most_common():
            yield f"  deferred: {reason.replace('_', ' ')}", "", f"{count:,}"
        yield "received more than once", "", f"{self.logs.redelivered:,}, at most {self.logs.most_received} times"
