"""The built layer and functions under AWS's own runtime emulator. Moto's server is AWS, the simulator is Codat."""

import contextlib
import json
import re
import struct
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config as BotoConfig
from moto.server import ThreadedMotoServer

from codat_sync.config import Config
from local.aws.runtime_interface_emulator import EmulatedFunction, InvocationFailed, emulated_function, environment
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import RunningSimulator, running_simulator
from local.presets import FILE, local_presets
from tests.runtime.artefacts import FUNCTION_LOGS, ROOT, RUNTIME, TEMPLATE, Artefacts, Build
from tests.runtime.figures import Starts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

REGION = "eu-west-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
COMPANY = "8a210b68-6988-4001-a1eb-0242ac120001"
PLAN_CHANGED, NEW_CONNECTION = "CompanyPlanChangedFunction", "NewConnectionFunction"
FUNCTIONS = [name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::Serverless::Function"]
BUILDS = ("for_this_machine", "as_deployed")
# boto3 and its dependencies: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
# simplejson comes with awslambdaric; requests uses it where it is installed.
OF_LAMBDA = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "simplejson", "six", "urllib3"}
ELF_MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}


@dataclass(frozen=True)
class Stack:
    """The environment of the functions, and a way to start one."""

    built: Build
    python: Path
    logs: Path
    starts: Starts
    aws: str
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    codat: RunningSimulator
    values: Mapping[str, str]
    """The values of the template's resources and parameters, by logical id."""

    @contextlib.contextmanager
    def running(self, name: str, variables: Mapping[str, str] | None = None) -> Iterator[EmulatedFunction]:
        """Run a function with the environment that the template gives to it, or with these variables instead."""
        given = self.built.variables(name, self.values) if variables is None else variables
        env = _lambda_environment(self.built, name) | CREDENTIALS | {"AWS_ENDPOINT_URL": self.aws} | dict(given)
        with emulated_function(
            self.python,
            self.built.settings["Handler"],
            folder=self.built.function(name),
            env=env,
            log=self.logs / f"{name}.log",
        ) as function:
            yield function
            self.starts.note(name, function)

    def deliver(
        self, function: EmulatedFunction, body: str, queue: str = "CompanyPlanChangedQueue"
    ) -> tuple[str, list[dict[str, str]]]:
        """Receive, invoke, and delete unless it failed, as Lambda does; return the message's id and the failures."""
        self.sqs.send_message(QueueUrl=self.values[queue], MessageBody=body)
        (message,) = self.messages(queue)
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{queue}",
            "awsRegion": REGION,
        }
        answer = function.invoke({"Records": [record]})
        assert answer.keys() == {"batchItemFailures"}
        if not answer["batchItemFailures"]:
            self.sqs.delete_message(QueueUrl=self.values[queue], ReceiptHandle=message["ReceiptHandle"])
        return message["MessageId"], answer["batchItemFailures"]

    def messages(self, queue: str) -> list["MessageTypeDef"]:
        """Receive from a queue."""
        answer = self.sqs.receive_message(
            QueueUrl=self.values[queue], MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )
        return answer.get("Messages", [])

    def plans(self, company_id: str = COMPANY) -> tuple[str | None, str | None]:
        """Return the company's desired and applied plan from the table."""
        key = {"companyId": {"S": company_id}}
        item = self.dynamodb.get_item(TableName=self.values["CompanyPlansTable"], Key=key).get("Item", {})
        return item.get("desiredPlan", {}).get("S"), item.get("appliedPlan", {}).get("S")


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def stack(built: Artefacts, starts: Starts, moto_server: str) -> Iterator[Stack]:
    with requests.Session() as session:
        session.trust_env = False
        session.post(f"{moto_server}/moto-api/reset", timeout=10).raise_for_status()
    aws = boto3.Session(region_name=REGION)
    connection: dict[str, Any] = {"endpoint_url": moto_server, "config": BotoConfig(proxies={})}
    sqs, dynamodb = aws.client("sqs", **connection), aws.client("dynamodb", **connection)
    aws.client("events", **connection).create_event_bus(Name="codat-sync-events")
    queues = {
        name: sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        for name, each in built.for_this_machine.template["Resources"].items()
        if each["Type"] == "AWS::SQS::Queue"
    }
    dynamodb.create_table(
        TableName="company-plans",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
    )
    with running_simulator() as codat:
        secret = aws.client("secretsmanager", **connection)
        secret.create_secret(Name="codat-sync/api-key", SecretString=codat.api_key)
        yield Stack(
            built=built.for_this_machine,
            python=built.python,
            logs=FUNCTION_LOGS,
            starts=starts,
            aws=moto_server,
            sqs=sqs,
            dynamodb=dynamodb,
            codat=codat,
            values=queues
            | {"CompanyPlansTable": "company-plans", "CodatBaseUrl": codat.url, "EventBus": "codat-sync-events"},
        )


EVENTS = [
    (PLAN_CHANGED, "CompanyPlanChangedQueue", "company_upgraded_plan"),
    (NEW_CONNECTION, "NewConnectionQueue", "new_connection.with_plan"),
    ("ReconcileCompanyFunction", "CompanyReconciliationsQueue", "company_reconciliation_requested"),
]


@pytest.mark.parametrize(("name", "queue", "sample"), EVENTS)
def test_a_built_function_brings_codat_to_the_preset_of_the_plan(
    stack: Stack, name: str, queue: str, sample: str
) -> None:
    body = _event(sample)
    company = stack.codat.account.add_company(COMPANY)
    with stack.running(name) as function:
        assert stack.deliver(function, body, queue)[1] == []
    assert stack.plans() == (json.loads(body)["detail"].get("plan", local_presets().default_plan),) * 2
    assert len(company.writes) == 1
    (settled,) = _settled(function)
    assert (settled["outcome"], settled["correlation_id"]) == ("applied", json.loads(body)["id"])


def test_a_warm_function_handles_the_next_event(stack: Stack) -> None:
    company = stack.codat.account.add_company(COMPANY)
    with stack.running(PLAN_CHANGED) as function:
        for _ in range(3):
            assert stack.deliver(function, _event())[1] == []
        assert len(function.init_milliseconds()) == 1
    assert len(company.writes) == 1
    assert [line["outcome"] for line in _settled(function)] == ["applied", "unchanged", "unchanged"]


def test_a_change_made_in_codats_portal_is_found_and_handed_over(stack: Stack) -> None:
    company = stack.codat.account.add_company(COMPANY)
    with stack.running(PLAN_CHANGED) as function:
        stack.deliver(function, _event())
    company.override = None
    with stack.running("ReconcileCompaniesFunction") as reconciliation:
        assert stack.deliver(reconciliation, _event("reconciliation_requested"), "ReconciliationsQueue")[1] == []
    (handed_over,) = stack.messages("CompanyReconciliationsQueue")
    assert json.loads(handed_over["Body"])["detail"]["companyId"] == COMPANY


def test_an_event_that_waits_for_payment_goes_back_to_its_queue_once_codats_bill_is_paid(stack: Stack) -> None:
    stack.codat.account.add_company(COMPANY)
    stack.codat.account.flags.free = True
    with stack.running(PLAN_CHANGED) as function:
        stack.deliver(function, _event())
    stack.codat.account.flags.free = False
    with stack.running("RedrivePaymentRequiredFunction") as redrive:
        assert stack.deliver(redrive, _event("codat_plan_upgraded"), "RedrivesQueue")[1] == []
    assert stack.messages("PaymentRequiredQueue") == []
    (back,) = stack.messages("CompanyPlanChangedQueue")
    assert back["Body"] == _event()


def test_a_malformed_event_is_parked_byte_for_byte(stack: Stack) -> None:
    body = _event(companyId="not-a-uuid")
    with stack.running(PLAN_CHANGED) as function:
        assert stack.deliver(function, body)[1] == []
    (message,) = stack.messages("FailedEventsQueue")
    assert message["Body"] == body
    assert message["MessageAttributes"]["reason"]["StringValue"] == "malformed_event"
    assert stack.messages("PaymentRequiredQueue") == []


def test_an_event_that_meets_a_500_is_returned_and_hidden_for_a_while(stack: Stack) -> None:
    stack.codat.account.add_company(COMPANY)
    stack.codat.account.faults.add(Fault(status=500))
    with stack.running(PLAN_CHANGED) as function:
        message_id, failures = stack.deliver(function, _event())
    assert failures == [{"itemIdentifier": message_id}]
    assert stack.plans() == ("scale", None)
    # The queue hides nothing by itself here: its visibility timeout is 0.
    assert stack.messages("CompanyPlanChangedQueue") == []


def test_a_missing_environment_fails_the_invocation_and_names_every_variable(stack: Stack) -> None:
    required = {name.upper() for name, field in Config.model_fields.items() if field.is_required()}
    with (
        stack.running(PLAN_CHANGED, variables={}) as function,
        pytest.raises(InvocationFailed) as failed,
    ):
        stack.deliver(function, _event())
    assert failed.value.error_type == "InvalidConfig"
    assert set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", failed.value.message)) == required


def test_a_function_ends_with_its_emulator(stack: Stack) -> None:
    with stack.running(PLAN_CHANGED) as function:
        stack.deliver(function, _event(companyId="not-a-uuid"))
        emulator = Path(f"/proc/{function.process.pid}")
        started = [pid for each in emulator.glob("task/*/children") for pid in each.read_text("ascii").split()]
        assert len(started) == 1
    assert [pid for pid in (emulator.name, *started) if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_imports_nothing_that_lambda_or_the_layer_does_not_have(built: Artefacts, name: str) -> None:
    build = built.for_this_machine
    program = (
        "import app, json, sys, sysconfig;"
        "files = {name: getattr(module, '__file__', None) for name, module in sys.modules.items()};"
        "print(json.dumps([sysconfig.get_paths(), {name: file for name, file in files.items() if file}]))"
    )
    ran = subprocess.run(  # noqa: S603 - our own words.
        [built.python, "-c", program],
        cwd=build.function(name),
        env=_lambda_environment(build, name),
        check=True,
        capture_output=True,
        text=True,
    )
    paths, files = json.loads(ran.stdout)
    roots = [
        build.layer,
        build.function(name),
        Path(paths["stdlib"]),
        *(Path(paths["purelib"], package) for package in OF_LAMBDA),
        Path(paths["purelib"], "six.py"),
    ]
    assert [file for file in files.values() if not any(Path(file).is_relative_to(root) for root in roots)] == []
    assert Path(files["app"]) == build.function(name) / "app.py"
    assert Path(files["codat_sync"]).is_relative_to(build.layer)
    # Presets are validated without AWS.
    assert ("boto3" in files) is (name != "ValidatePresetsFunction")
    assert name == "ValidatePresetsFunction" or Path(files["boto3"]).is_relative_to(paths["purelib"])


@pytest.mark.parametrize("which", BUILDS)
def test_the_layer_carries_what_is_locked_and_no_boto3(built: Artefacts, which: str) -> None:
    layer = _build(built, which).layer
    carried = {(each.name.lower().replace("_", "-"), each.version) for each in distributions(path=[str(layer)])}
    locked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "shared/requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert carried == set(locked)
    assert not {name for name, _ in carried} & {"boto3", "botocore", "s3transfer"}


@pytest.mark.parametrize("which", BUILDS)
def test_the_layer_carries_no_package_that_no_dependency_needs(built: Artefacts, which: str) -> None:
    carried = {
        each.name.lower().replace("_", "-"): each for each in distributions(path=[str(_build(built, which).layer)])
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [_name_of(each) for each in project["dependencies"]]
    needed: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            requirements = [each for each in carried[name].requires or [] if "extra ==" not in each]
            wanted += [required for each in requirements if (required := _name_of(each)) in carried]
    assert set(carried) == needed


@pytest.mark.parametrize("which", BUILDS)
def test_the_layer_carries_the_whole_package_and_nothing_compiled_here(built: Artefacts, which: str) -> None:
    carried = _files(_build(built, which).layer / "codat_sync")
    source = {name: text for name, text in _files(ROOT / "shared/codat_sync").items() if "__pycache__" not in name}
    assert "presets/presets.toml" in source
    if which == "for_this_machine":
        source["presets/presets.toml"] = FILE.read_bytes()
    assert carried == source


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("which", BUILDS)
def test_a_function_is_its_app_and_nothing_else(built: Artefacts, which: str, name: str) -> None:
    assert list(_files(_build(built, which).function(name))) == ["app.py"]


@pytest.mark.parametrize("which", BUILDS)
def test_the_layer_is_built_for_the_processor_and_the_python_of_its_functions(built: Artefacts, which: str) -> None:
    build = _build(built, which)
    libraries = list(build.layer.rglob("*.so*"))
    assert any(each.name.startswith("_pydantic_core.") for each in libraries)
    assert {ELF_MACHINES[_elf_machine(each)] for each in libraries} == {build.architecture}
    tag = f".{RUNTIME.replace('python', 'cpython-').replace('.', '')}-"
    assert [each.name for each in libraries if tag not in each.name] == []


def _name_of(requirement: str) -> str:
    """Of the package that is required, without its version."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _lambda_environment(build: Build, name: str) -> dict[str, str]:
    return environment(
        folder=build.function(name),
        layer=build.layer,
        runtime=RUNTIME,
        region=REGION,
        timeout=build.timeout(name),
        memory=build.settings["MemorySize"],
    )


def _event(sample: str = "company_upgraded_plan", **detail: str) -> str:
    """Return the body of a message about COMPANY."""
    envelope = json.loads((ROOT / f"events/{sample}.json").read_text("utf-8"))
    return json.dumps(envelope | {"detail": envelope["detail"] | {"companyId": COMPANY} | detail})


def _settled(function: EmulatedFunction) -> list[dict[str, Any]]:
    """Return the function's own lines about events, in order."""
    lines = [json.loads(line) for line in function.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("message") == "event_settled"]


def _build(built: Artefacts, which: str) -> Build:
    build: Build = getattr(built, which)
    return build


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _elf_machine(library: Path) -> int:
    """Return the field e_machine of an ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html."""
    header = library.read_bytes()[:20]
    assert header.startswith(b"\x7fELF")
    (machine,) = struct.unpack("<H", header[18:20])
    return int(machine)
