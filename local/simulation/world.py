"""The clock, AWS, Codat and the functions of one run, and what happens from outside."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from codat_sync.config import Config, ReconciliationConfig
from codat_sync.events.company_events import read_plan_event
from codat_sync.events.requests import RECONCILIATION
from codat_sync.wiring import wire_company_reconciliation, wire_consumer, wire_reconciliation
from local.simulation.client import Client, EventBusClient, SecretsClient
from local.simulation.codat import Codat
from local.simulation.dynamodb import DynamoDbClient, Item
from local.simulation.lambda_ import Function, Lambda
from local.simulation.ledger import Outcomes, SentEvent
from local.simulation.scenario import NIGHT, START, Scenario
from local.simulation.sqs import Queue, SqsClient
from local.simulation.surroundings import ENVIRONMENT, Log, surroundings
from local.simulation.template import Polling, dlq_retention
from local.simulation.virtual_time import Clock


class World:
    """All of it. ``sent`` are the events of billing so far. The queues are those of template.yaml."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.random = Random(seed)  # noqa: S311  # A run that can be repeated.
        self.clock = Clock(START)
        self.start = self.clock.now
        self.codat = Codat(self.clock, self.random, scenario.script(self.start))
        self.failed = Queue("failed-events", self.clock, retention=dlq_retention("FailedEventsQueue"))
        self.unpaid = Queue("payment-required", self.clock, retention=dlq_retention("PaymentRequiredQueue"))
        self.plan_changes = self._queue("company-plan-changed", "CompanyPlanChanged")
        self.companies = self._queue("company-reconciliations", "ReconcileCompany")
        self.runs = self._queue("reconciliations", "ReconcileCompanies")
        self.dead_letters = (self.failed, self.unpaid)
        sources = (self.plan_changes, self.runs, self.companies)
        self.queues = {each.url: each for each in (*sources, *self.dead_letters)}
        self.items: dict[str, Item] = {}
        self.lambda_ = Lambda(self.clock, self.random)
        self.outcomes = Outcomes(self.clock)
        self.sent: list[SentEvent] = []

    def _queue(self, url: str, function: str) -> Queue:
        of = Polling.of(function)
        return Queue(url, self.clock, of.visibility_timeout, of.retention, of.max_receives, self.failed)

    @contextmanager
    def functions(self) -> Iterator[Log]:
        """Let the functions and what happens from outside begin as soon as the clock runs; yield what they write."""
        clients: dict[str, Callable[[], Client]] = {
            "dynamodb": lambda: self._troubled(DynamoDbClient(self.clock, self.items)),
            "events": lambda: EventBusClient(self.clock),
            "secretsmanager": lambda: SecretsClient(self.clock),
            "sqs": lambda: self._troubled(SqsClient(self.clock, self.queues)),
        }
        with surroundings(self.clock, self.random, clients, self.codat) as log:
            try:
                self._run_functions()
                self.clock.spawn(self._send)
                if self.scenario.changed_at_codat:
                    self.clock.spawn(self._night)
                yield log
            finally:
                self.clock.close()

    def _troubled(self, client: Client) -> Client:
        """Let the client's requests be refused as often as the scenario says."""
        client.is_refused = lambda: self.random.random() < self.scenario.aws_throttled(self.clock.now - self.start)
        return client

    def _run_functions(self) -> None:
        now = self.clock.moment
        settings = {**ENVIRONMENT, **self.scenario.settings}
        live = Config.from_env({**settings, "SOURCE_QUEUE_URL": self.plan_changes.url})
        company = Config.from_env({**settings, "SOURCE_QUEUE_URL": self.companies.url})
        run = ReconciliationConfig.from_env(
            {**settings, "SOURCE_QUEUE_URL": self.runs.url, "RECONCILE_COMPANY_QUEUE_URL": self.companies.url}
        )
        self.lambda_.run(
            Function(
                lambda: wire_consumer(live, read_plan_event, now, [self.outcomes]),
                self.plan_changes,
                Polling.of("CompanyPlanChanged"),
                throttled=lambda at: self.scenario.throttled(at - self.start),
            )
        )
        self.lambda_.run(
            Function(lambda: wire_company_reconciliation(company, now), self.companies, Polling.of("ReconcileCompany"))
        )
        self.lambda_.run(Function(lambda: wire_reconciliation(run, now), self.runs, Polling.of("ReconcileCompanies")))

    def _send(self) -> None:
        for after, number in self.scenario.sending():
            self.clock.wait(self.start + after)
            event = self.scenario.event(number, self.clock.moment())
            self.sent.append(event)
            self.plan_changes.send(event.body, {})

    def _night(self) -> None:
        """Change all settings in Codat's Portal, and let the schedule ask for a reconciliation."""
        self.clock.wait(self.start + NIGHT.total_seconds())
        self.codat.reset()
        self.runs.send(json.dumps({"id": "night-1", "detail-type": RECONCILIATION, "detail": {}}), {})
