"""Whether the presets that the functions use are those of the presets file here."""

import hashlib
from http import HTTPStatus
from io import BytesIO
from typing import Final
from zipfile import ZipFile

import urllib3

from codat_sync.presets.file import InvalidPresets, Presets
from ops.doctor.finding import Finding, green, red, unanswered, yellow
from ops.doctor.subject import Subject
from ops.errors import StackNotFound

IN_LAYER: Final = "python/codat_sync/presets/presets.toml"
_SECONDS: Final = 30.0
_APPCONFIG: Final = "AppConfig"


def same_presets(subject: Subject) -> Finding:
    """Check that the functions' presets are those of the file. A comment that differs is no difference."""
    try:
        here = Presets.parse(subject.presets.read_bytes())
    except (InvalidPresets, OSError):
        return unanswered(f"not compared: {subject.presets} cannot be used")
    live = subject.stack.hosted_presets() if subject.stack.has_presets_in_appconfig else None
    content, place = (live, _APPCONFIG) if live is not None else _deployed(subject)
    try:
        there = Presets.parse(content)
    except InvalidPresets as error:
        return red(f"{place}: {error}", "deploy valid presets")
    if here == there:
        return green(f"{place} has the presets of {subject.presets}")
    words = f"{place} has other presets than {subject.presets}: sha256 {hashlib.sha256(content).hexdigest()[:10]}"
    change = f"`codat-sync preview --presets {subject.presets}` shows what would change"
    if place == _APPCONFIG:
        return yellow(words, f"{change}; `codat-sync presets put` makes it live")
    return red(words, f"{change}; deploy it")


def _deployed(subject: Subject) -> tuple[bytes, str]:
    """Read the file in the layer of the live functions; on this machine, the copy that `make local` keeps of it.

    Return the file and where it was.

    Raise ``StackNotFound`` where no layer has it.
    """
    if subject.stack.deployed_presets is not None:
        return subject.stack.deployed_presets.read_bytes(), "what `make local` deployed"
    client, name = subject.client("lambda"), subject.stack.output("CompanyPlanChangedFunctionName")
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
