"""The function that AppConfig asks whether presets may go live."""

import json
from base64 import b64encode
from typing import cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.presets.file import InvalidPresets, Presets
from functions.validate_presets.app import handler
from local.presets import FILE

PACKAGED = FILE.read_bytes()
CONTEXT = cast("LambdaContext", None)  # It is not looked at.


def asked(content: bytes) -> dict[str, object]:
    """What AppConfig says.

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


def test_what_cannot_be_used_is_refused_with_all_problems_in_words() -> None:
    """AppConfig refuses what a function raises for, and shows what it raised."""
    bad = PACKAGED.replace(b'frequency = "monthly"', b'frequency = "hourlyish"').replace(b"invoices", b"invoice")
    with pytest.raises(InvalidPresets) as refused:
        handler(asked(bad), CONTEXT)
    assert "plan free, frequency: 'hourlyish' is not a frequency" in str(refused.value)
    assert "plan scale, invoice: not a data type that Codat documents; did you mean invoices?" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"])
def test_what_is_no_file_of_presets_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidPresets):
        handler(asked(content), CONTEXT)


def test_a_plan_of_this_package_must_be_there() -> None:
    scale = PACKAGED.index(b"[plans.scale]")
    Presets.parse(PACKAGED[:scale].decode())
    with pytest.raises(InvalidPresets, match="plan scale: the deployed package has it"):
        handler(asked(PACKAGED[:scale]), CONTEXT)
