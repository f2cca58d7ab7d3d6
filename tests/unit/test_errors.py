"""Every error that the layer raises on purpose has a slug, and is either permanent or transient."""

import re

import pytest

from codat_sync.errors import PermanentError, SyncError, TransientError
from tests.planned_errors import planned_errors


@pytest.mark.parametrize("kind_of_error", planned_errors(), ids=lambda each: each.__name__)
def test_an_error_has_a_slug_and_says_in_its_docstring_what_it_means(kind_of_error: type[SyncError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind_of_error.reason)
    assert kind_of_error.__doc__


def test_an_error_is_either_permanent_or_transient() -> None:
    unsorted = [each.__name__ for each in planned_errors() if not issubclass(each, PermanentError | TransientError)]
    both = [
        each.__name__
        for each in planned_errors()
        if issubclass(each, PermanentError) and issubclass(each, TransientError)
    ]
    assert (unsorted, both) == (["CodatError"], [])


def test_no_two_errors_have_the_same_slug() -> None:
    own = [each.reason for each in planned_errors() if "reason" in vars(each)]
    assert len(own) == len(set(own))
