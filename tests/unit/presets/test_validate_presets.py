"""The function that AppConfig asks whether presets may go live."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.presets.file import InvalidPresets, Presets
from functions.validate_presets.app import handler
from local.presets import FILE

ROOT = Path(__file__).parents[3]
PACKAGED = FILE.read_bytes()
CONTEXT = cast("LambdaContext", None)  # The handler ignores it.


def asked(content: bytes) -> dict[str, object]:
    """Return the event that AppConfig sends.

    https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-profile-validators.html
    """
    event = {
        "applicationId": "abc1234",
        "configurationProfileId": "def5678",
        "configurationVersion": "7",
        "content": b64encode(content).decode(),
        "uri": "hosted",
    }
    return cast("dict[str, object]", json.loads(json.dumps(event)))


def test_the_packaged_presets_may_go_live() -> None:
    handler(asked(PACKAGED), CONTEXT)


def test_invalid_presets_are_refused_with_every_problem() -> None:
    """AppConfig refuses the content where the function raises, and shows the error's text."""
    bad = PACKAGED.replace(b'frequency = "monthly"', b'frequency = "hourlyish"').replace(b"invoices", b"invoice")
    with pytest.raises(InvalidPresets) as refused:
        handler(asked(bad), CONTEXT)
    assert 'plan free, frequency: "hourlyish" is not a frequency' in str(refused.value)
    assert "plan scale, invoice: not a data type that Codat documents; did you mean invoices?" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"])
def test_a_file_without_presets_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidPresets):
        handler(asked(content), CONTEXT)


def test_a_plan_of_this_package_must_be_there() -> None:
    scale = PACKAGED.index(b"[plans.scale]")
    Presets.parse(PACKAGED[:scale])
    with pytest.raises(InvalidPresets, match="plan scale: the deployed package has it"):
        handler(asked(PACKAGED[:scale]), CONTEXT)


def test_the_function_loads_neither_requests_nor_a_consumer() -> None:
    """Its cold start is on the way of each rollout."""
    listing = "import sys, functions.validate_presets.app; print(*sys.modules)"
    loaded = subprocess.run(  # noqa: S603  # This very interpreter, on the text above.
        [sys.executable, "-c", listing],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT / "shared"), str(ROOT)])},
    ).stdout.split()
    assert "codat_sync.presets.file" in loaded
    assert not [name for name in loaded if name.split(".")[0] in {"requests", "boto3"}]
    assert not [name for name in loaded if name.startswith("codat_sync.consuming")]
