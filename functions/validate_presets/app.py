"""Presets are about to go live without a deploy: refuse unusable ones, with every problem in words."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import presets_to_validate
from codat_sync.presets.file import Presets, validate


def handler(event: object, _context: LambdaContext) -> None:
    """Raise ``InvalidPresets``, whose text AppConfig shows to the caller of StartDeployment.

    https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-profile-validators.html
    """
    validate(presets_to_validate(event), Presets.packaged())
