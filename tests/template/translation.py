"""The template after SAM's transform, as CloudFormation receives it; computed without AWS. As a command, prints it."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class _NoManagedPolicies:
    """An empty list of AWS's managed policies: the template uses none of SAM's short names for them."""

    def load(self) -> dict[str, str]:
        return {}


def translated(parameters: Mapping[str, str] | None = None, *, code: str = "code") -> dict[str, Any]:
    """Return the transformed template for some parameters, with code and layer uploaded under the name ``code``."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))
    for resource in template["Resources"].values():
        for uri in ("CodeUri", "ContentUri"):
            if uri in resource["Properties"]:
                resource["Properties"][uri] = f"s3://bucket/{code}"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION="eu-west-2"):
        return transform(template, dict(parameters or {}), _NoManagedPolicies())  # type: ignore[no-any-return]


if __name__ == "__main__":
    json.dump(translated(), sys.stdout, indent=1)
