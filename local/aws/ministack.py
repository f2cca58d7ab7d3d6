"""MiniStack, the emulator of AWS, with its peculiarities (version in pyproject.toml).

- MiniStack has an environment of its own, but starts functions with the interpreter that it runs on itself. So it runs
  on `.local/runtime`, the environment that has what Lambda has, and its own packages are added to the path of its
  process alone: a module that the layer lacks is missing here too.
- It keeps everything in memory. What it puts on disk (each worker's unpacked code and layer) is below its folder.
- It serves TLS, since the queue policies that refuse plain HTTP are in force here as they are at AWS.
- It transforms a SAM template with the defaults of its parameters, whatever was given. A patch makes it use the given
  values, as CloudFormation does: they decide whether there is CodeDeploy, and when a function has a new version.
- It cannot evaluate an alarm on several metrics. A patch keeps the first metric alone: alarms never ring here.
- It has no CodeDeploy and no composite alarms: the parameters that ask for those are not given here.
- IAM is enforced: a function may do what its role allows. MiniStack asks for a separate permission for each of SQS's
  batch calls, which IAM does not know. A patch removes that: a role that may send, delete or hide one message may do so
  with ten, as at AWS.
- EventBridge's own delivery to a queue is not checked, and a rule target's retries and DLQ are not emulated.
"""

import contextlib
import os
import shutil
import socket
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from local.aws.clients import REGION, Aws
from local.aws.processes import ProcessGroup, StackError, running

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_RUNTIME = Path(".local/runtime")
_MINISTACK = Path(".local/ministack")

# Functions get the interpreter's sys.path. The packages that are added here are seen by this one process.
_RUN = """
import copy, runpy, site, sys
site.addsitedir(sys.argv.pop(1))
from ministack.core import iam_actions
from ministack.services.cloudformation import changesets, engine, handlers, provisioners

def iam_action(service, *request):
    action = extract_iam_action(service, *request)
    return action.removesuffix("Batch") if service == "sqs" and action else action

def transform(template, provided=None, previous=None):
    given = copy.deepcopy(template)
    for name, value in engine._transform_parameters(given, provided, previous).items():
        given["Parameters"][name]["Default"] = value
    transformed = apply_transforms(given, provided, previous)
    if "Parameters" in template:
        transformed["Parameters"] = template["Parameters"]
    return transformed

def alarm_record(name, properties):
    metrics = [each["MetricStat"]["Metric"] for each in properties.get("Metrics", ()) if "MetricStat" in each]
    if metrics:
        first = {key: metrics[0][key] for key in ("Namespace", "MetricName")}
        properties = {key: value for key, value in properties.items() if key != "Metrics"} | first
    return metric_alarm_record(name, properties)

extract_iam_action = iam_actions.extract_iam_action
iam_actions.extract_iam_action = iam_action
metric_alarm_record = provisioners._cw_metric_alarm_record
provisioners._cw_metric_alarm_record = alarm_record
apply_transforms = engine._apply_transforms
engine._apply_transforms = changesets._apply_transforms = handlers._apply_transforms = transform
runpy.run_module("hypercorn", run_name="__main__", alter_sys=True)
"""

# Functions inherit MiniStack's environment. Only these variables of the developer's may be in it.
_KEPT = (
    "PATH LANG LC_ALL SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE "
    "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"
).split()


def environment(environ: Mapping[str, str], *, aws: Aws, port: int, folder: Path) -> dict[str, str]:
    """Return MiniStack's settings, and the variables that functions get beside those of the template."""
    return {name: environ[name] for name in _KEPT if name in environ} | {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "USE_SSL": "1",  # Hypercorn is given the certificate; this makes the queues' URLs https.
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Lambda sets these; MiniStack does not.
        "TZ": ":UTC",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        # Functions call this AWS, and read no profile of the developer's.
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_CA_BUNDLE": str(aws.ca_bundle),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def ministack(folder: Path, *, port: int, log: Path, environ: Mapping[str, str]) -> Iterator[tuple[Aws, ProcessGroup]]:
    """Run MiniStack on 127.0.0.1 while the block runs; port 0 takes a free one.

    Connections are accepted at once, and answered as soon as MiniStack is ready. `folder` is emptied before and removed
    after. Raise StackError if the port is taken or the environments are missing.
    """
    if not (_RUNTIME / "bin/python").exists() or not (_MINISTACK / "bin/python").exists():
        raise StackError("MiniStack is not installed: start with `make`, which installs it")
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.ExitStack() as parts:
        parts.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        listening = parts.enter_context(_listening(port))
        port = listening.getsockname()[1]
        aws = Aws(endpoint_url=f"https://127.0.0.1:{port}", ca_bundle=folder / "ca.pem")
        command = _command(listening.fileno(), _certificate(aws.ca_bundle))
        env = environment(environ, aws=aws, port=port, folder=folder)
        process = parts.enter_context(running("MiniStack", command, log=log, env=env, pass_fds=[listening.fileno()]))
        listening.close()  # MiniStack alone holds it now: should it end, callers are refused at once.
        yield aws, process


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise StackError(f"MiniStack cannot have port {port}: {error.strerror}") from error


def _certificate(ca_bundle: Path) -> Path:
    """Write a new certificate authority to `ca_bundle`; return the file of a server's key and certificate chain."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_bundle))
    file = ca_bundle.with_name("server.pem")
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(file))
    file.chmod(0o600)
    return file


def _command(socket_fd: int, certificate: Path) -> list[str]:
    site_packages = sysconfig.get_path("purelib", "venv", {"base": str(_MINISTACK.resolve())})
    return [
        *(str(_RUNTIME / "bin/python"), "-c", _RUN, site_packages, "ministack.app:app"),
        *("--bind", f"fd://{socket_fd}", "--certfile", str(certificate), "--keyfile", str(certificate)),
        *("--workers", "0", "--keep-alive", "75", "--graceful-timeout", "0"),
    ]


def put_maximum_concurrency_in_force(lambda_: "LambdaClient") -> None:
    """Set MaximumConcurrency of each event source mapping again, as a number.

    CloudFormation passes a parameter of type Number as text, which AWS reads as a number. MiniStack keeps the text, and
    its poller fails on every comparison.
    """
    for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
        scaling = mapping.get("ScalingConfig", {})
        if "MaximumConcurrency" in scaling:
            limit = int(scaling["MaximumConcurrency"])
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": limit})
