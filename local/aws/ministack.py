"""MiniStack, the emulator of AWS, and all that is particular to it (version in pyproject.toml).

- It runs in an environment of its own, yet starts functions with the interpreter that runs itself. So it is run by
  `.local/runtime`, the environment that has what Lambda has, and its packages are put on the path of its process alone:
  a module that the layer lacks is missing here too.
- It keeps everything in memory. What it puts on disk (each worker's unpacked code and layer) is below its folder.
- TLS, since queue policies that refuse plain HTTP are in force here as they are at AWS.
- It transforms a SAM template with the defaults of its parameters, whatever was given. Here it uses the values, as
  CloudFormation does: SAM decides by them whether there is CodeDeploy, and when a function has a new version.
- Of an alarm that calculates it takes the first metric alone, as a stand-in: alarms do not ring here.
- It has no CodeDeploy and no composite alarms: the parameters that ask for those are not given here.
- IAM is enforced: a function may do what its role allows. It asks for a permission of its own for each of SQS's batch
  calls, which IAM does not know; here, as there, who may send, delete or hide one message may do so with ten.
- EventBridge's own delivery to a queue is not checked, and a rule target's retries and DLQ are not modelled.
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

# The functions' sys.path is that of the interpreter; what is added here is seen by this one process.
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

# Functions inherit MiniStack's environment. These alone of the developer's may be in it.
_KEPT = (
    "PATH LANG LC_ALL SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE "
    "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"
).split()


def environment(environ: Mapping[str, str], *, aws: Aws, port: int, folder: Path) -> dict[str, str]:
    """MiniStack's settings, and what functions find in theirs beside what the template gives them."""
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
        # What Lambda sets and MiniStack leaves out.
        "TZ": ":UTC",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        # Where functions find AWS, and that they find no developer's profile.
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_CA_BUNDLE": str(aws.ca_bundle),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def ministack(folder: Path, *, port: int, log: Path, environ: Mapping[str, str]) -> Iterator[tuple[Aws, ProcessGroup]]:
    """Run MiniStack on 127.0.0.1 while the block runs; port 0 takes a free one.

    It accepts connections at once and answers them when it is up. `folder` is emptied before and removed after.
    Raise StackError if the port is taken or the environments are missing.
    """
    if not (_RUNTIME / "bin/python").exists() or not (_MINISTACK / "bin/python").exists():
        raise StackError("MiniStack is not installed: start with `make`, which installs it")
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise StackError(f"MiniStack cannot have port {port}: {error.strerror}") from error
    with listening:
        port = listening.getsockname()[1]
        aws = Aws(endpoint_url=f"https://127.0.0.1:{port}", ca_bundle=folder / "ca.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(aws.ca_bundle))
        certificate = folder / "server.pem"
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        certificate.chmod(0o600)
        site_packages = sysconfig.get_path("purelib", "venv", {"base": str(_MINISTACK.resolve())})
        command = [
            *(str(_RUNTIME / "bin/python"), "-c", _RUN, site_packages, "ministack.app:app"),
            *("--bind", f"fd://{listening.fileno()}", "--certfile", str(certificate), "--keyfile", str(certificate)),
            *("--workers", "0", "--keep-alive", "75", "--graceful-timeout", "0"),
        ]
        env = environment(environ, aws=aws, port=port, folder=folder)
        group = running("MiniStack", command, log=log, env=env, pass_fds=[listening.fileno()])
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            process = stack.enter_context(group)
            listening.close()  # From here on it is MiniStack's alone: should it end, callers are told at once.
            yield aws, process


def put_maximum_concurrency_in_force(lambda_: "LambdaClient") -> None:
    """Set the mappings' MaximumConcurrency once more.

    CloudFormation hands a Number parameter on as text, which AWS reads as a number; MiniStack keeps the text, and its
    poller fails on every comparison.
    """
    for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
        scaling = mapping.get("ScalingConfig", {})
        if "MaximumConcurrency" in scaling:
            limit = int(scaling["MaximumConcurrency"])
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": limit})
