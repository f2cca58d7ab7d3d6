"""The presets that the functions of a stack use: AppConfig's, else those in their layer."""

from http import HTTPStatus
from io import BytesIO
from typing import Any, Final
from zipfile import ZipFile

import urllib3

from ops.errors import StackNotFound
from ops.stack import Stack

IN_LAYER: Final = "python/codat_sync/presets/presets.toml"
APPCONFIG: Final = "AppConfig"
_SECONDS: Final = 30.0


def live_presets(stack: Stack) -> tuple[bytes, str]:
    """Return the presets file that the functions use, and the words for where it is.

    That is AppConfig's where it holds one, else the file in the layer of the live functions; on this machine, the copy
    that `make local` keeps of it. Raises ``StackNotFound`` where no layer has it or it cannot be downloaded,
    ``PresetsUnusable`` where AppConfig cannot be read, and what boto3 raises.
    """
    hosted = stack.hosted_presets() if stack.has_presets_in_appconfig else None
    return (hosted, APPCONFIG) if hosted is not None else _deployed(stack)


def _deployed(stack: Stack) -> tuple[bytes, str]:
    if stack.deployed_presets is not None:
        return stack.deployed_presets.read_bytes(), "what `make local` deployed"
    session: Any = stack.aws.session
    client, name = session.client("lambda", **stack.aws.connection), stack.output("CompanyPlanChangedFunctionName")
    function = client.get_function_configuration(FunctionName=name, Qualifier="live")
    for layer in function.get("Layers", ()):
        url = client.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]["Location"]
        archive = ZipFile(BytesIO(_download(url)))
        if IN_LAYER in archive.namelist():
            return archive.read(IN_LAYER), "the deployed layer"
    raise StackNotFound(f"no layer of {name} has {IN_LAYER}", hint="deploy the stack again")


def _download(url: str) -> bytes:
    """Download a layer. Its URL is signed, valid for ten minutes, and repeated by no error.

    https://docs.aws.amazon.com/lambda/latest/api/API_LayerVersionContentOutput.html
    """
    hint = "check the network; a proxy may refuse the address of S3"
    try:
        answer = urllib3.request("GET", url, timeout=_SECONDS, retries=2)
    except urllib3.exceptions.HTTPError as error:
        raise StackNotFound(f"the deployed layer cannot be downloaded: {type(error).__name__}", hint=hint) from error
    if answer.status != HTTPStatus.OK:
        raise StackNotFound(f"the deployed layer cannot be downloaded: status {answer.status}", hint=hint)
    return answer.data
