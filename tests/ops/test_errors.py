"""The errors of this tool: a text, and a hint where there is one."""

import pytest

from ops.errors import OpsError


@pytest.mark.parametrize("kind", OpsError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_is_its_text_and_keeps_its_hint(kind: type[OpsError]) -> None:
    assert (str(kind("fact")), kind("fact").hint) == ("fact", None)
    assert kind("fact", hint="do this").hint == "do this"
