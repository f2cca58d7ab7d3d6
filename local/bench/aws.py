"""AWS: Moto's server with the table, the queues, the bus and the secret, and a record of every company.

Moto, like MiniStack, sorts the whole table for each page of a scan, which takes a second a page at 40,000 companies.
``sorted_scans`` sorts once. Everything else is Moto's own, above all its expressions and conditions.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import boto3
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.server import ThreadedMotoServer

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlans
from codat_sync.events.company_events import Authority
from codat_sync.presets.file import Presets
from local.aws.clients import ACCESS_KEY, REGION, SECRET_KEY
from local.bench.population import Company, Population
from local.presets import local_presets

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE: Final = "company-plans"
BUS: Final = "codat-sync"
SECRET_NAME: Final = "codat-sync/api-key"  # noqa: S105 - a name, and no secret.
QUEUES: Final = ("source", "company-reconciliations", "payment-required", "failed-events")
IN_FORCE_SINCE: Final = timedelta(days=30)
EVENT_ID: Final = "0f6f1b01-0001-4d0e-9a64-3f1f0f6f1b01"
"""As long as the ids of EventBridge."""


class Aws:
    """Moto's server, as the parent process sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def environment(self) -> Mapping[str, str]:
        """Return the environment that the functions need to call AWS, with the URL of each queue."""
        return self._environment

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process since its start."""
        return time.process_time()


@contextmanager
def aws(population: Population, api_key: str) -> Iterator[Aws]:
    """Serve Moto while the block runs."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # Otherwise it logs each request.
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    connection: dict[str, Any] = {"endpoint_url": url, "config": Config(proxies={})}
    session.client("secretsmanager", **connection).create_secret(Name=SECRET_NAME, SecretString=api_key)
    session.client("events", **connection).create_event_bus(Name=BUS)
    sqs = session.client("sqs", **connection)
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    create_table(population, session.client("dynamodb", **connection))
    try:
        with sorted_scans():
            yield Aws(_environment(url, queues))
    finally:
        server.stop()


def _environment(url: str, queues: Mapping[str, str]) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "CODAT_API_KEY_SECRET_NAME": SECRET_NAME,
        "COMPANY_PLANS_TABLE_NAME": TABLE,
        "EVENT_BUS_NAME": BUS,
        "FAILED_EVENTS_QUEUE_URL": queues["failed-events"],
        "PAYMENT_REQUIRED_QUEUE_URL": queues["payment-required"],
        "RECONCILE_COMPANY_QUEUE_URL": queues["company-reconciliations"],
        "SOURCE_QUEUE_URL": queues["source"],
    }


def create_table(population: Population, dynamodb: "DynamoDBClient") -> None:
    """Create the table with a record of each company, whose plan is in force.

    The first company of each plan is recorded and confirmed the way the functions do it. The records of the others are
    copies of that one.
    """
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[TABLE]
    presets, items = local_presets(), dict[str, dict[str, Any]]()
    for company in population:
        if company.plan not in items:
            items[company.plan] = _confirmed_item(dynamodb, presets, company)
        fingerprint = presets.for_company(company.plan, company.company_id).fingerprint
        own = {"companyId": {"S": str(company.company_id)}, "appliedFingerprint": {"S": fingerprint}}
        table.put_item(items[company.plan] | own)


def _confirmed_item(dynamodb: "DynamoDBClient", presets: Presets, company: Company) -> dict[str, Any]:
    plans, at = CompanyPlans(dynamodb, TABLE), datetime.now(UTC) - IN_FORCE_SINCE
    desired = DesiredPlan.named(company.plan, Authority.STATED, at, EVENT_ID)
    fingerprint = presets.for_company(company.plan, company.company_id).fingerprint
    plans.record(company.company_id, desired, at=at)
    applied = AppliedPreset(company.plan, fingerprint, EVENT_ID, desired.order)
    plans.confirm(company.company_id, desired, applied, at=at)
    return dict(dynamodb.get_item(TableName=TABLE, Key={"companyId": {"S": str(company.company_id)}})["Item"])


@contextmanager
def sorted_scans() -> Iterator[None]:
    """Make the cost of a page of Moto's scans independent of the size of the table, while the block runs.

    This holds for a table from which no item is deleted, and for scans without a filter.
    """
    sorted_keys: list[DynamoType] = []
    text = attrgetter("value")

    def scan(
        table: Table,
        _filters: object,
        limit: int,
        after: Mapping[str, Any] | None,
        *_more: object,
        **_named: object,
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        items: Any = table.items
        if len(sorted_keys) != len(items):
            sorted_keys[:] = sorted(items, key=text)
        start = bisect_right(sorted_keys, after[table.hash_key_attr]["S"], key=text) if after else 0
        page = sorted_keys[start : start + limit]
        is_last = start + limit >= len(sorted_keys)
        return [items[key] for key in page], len(page), None if is_last else {table.hash_key_attr: page[-1]}

    with mock.patch.object(Table, "scan", scan):
        yield
