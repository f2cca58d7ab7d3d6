"""Presets are about to go live without a deploy: refuse unusable ones, with every problem in words."""

from base64 import b64decode
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.presets.file import Presets
from codat_sync.presets.hosted import validate


def handler(event: dict[str, Any], _context: LambdaContext) -> None:
    """https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-profile-validators.html"""
    validate(b64decode(event["content"]), Presets.packaged())
