"""The API key and the metrics of Codat's answers, shared by the threads of a batch, in every order of their steps."""

import json
import sys
from http import HTTPMethod
from io import StringIO
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.observability import MANY_ANSWERS, CodatCalls
from tests.threads.exploration import Open, assert_in_every_order, assert_some_order_breaks

OLD, NEW = "the-old-key-0123456789", "the-new-key-0123456789"


class UnlockedApiKey(SecretApiKey):
    """Broken on purpose: both threads find that the refused key is the cached one."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401  # Those of the class.
        super().__init__(*args)
        self._lock = cast("Any", Open())


class ForgetfulCalls(CodatCalls):
    """Broken on purpose: an answer that is noted between the two steps of ``write`` is lost."""

    def write(self) -> None:
        answers = self._answers
        written = CodatCalls()
        written._answers = list(answers)
        self._answers = []
        written.write()


class Secret:
    """A secret that was rotated after the process had cached the old key."""

    def __init__(self, kind: type[SecretApiKey] = SecretApiKey) -> None:
        self.cached = OLD
        self.fetched = 0
        self.keys: list[str] = []
        self.key = kind(cast("SecretsProvider", self), "secret")

    def get(self, _: str, *, max_age: int, force_fetch: bool) -> str:
        assert max_age
        if force_fetch:
            self.fetched += 1
            self.cached = NEW
        return self.cached

    def refuse(self) -> None:
        self.keys.append(self.key(rejected=OLD))

    def one_read_serves_both(self) -> bool:
        return self.fetched == 1 and self.keys == [NEW, NEW]


class Metrics:
    """Metrics to which two threads add answers, of which the first fills them."""

    def __init__(self, kind: type[CodatCalls], monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = StringIO()
        monkeypatch.setattr(sys, "stdout", self.written)
        self.calls = kind()
        for _ in range(MANY_ANSWERS - 1):
            self.note()

    def note(self) -> None:
        self.calls.note(Answer(HTTPMethod.GET, 200, 0.1, RateLimit()))

    def each_answer_is_counted_once(self) -> bool:
        self.calls.write()
        lines = [json.loads(each) for each in self.written.getvalue().splitlines()]
        return sum(sum(each.get("CodatCalls", [])) for each in lines) == MANY_ANSWERS + 1


def test_one_read_of_the_secret_serves_all_threads_that_were_refused() -> None:
    assert_in_every_order(Secret, Secret.refuse, Secret.refuse, holds=Secret.one_read_serves_both)


def test_a_key_without_its_lock_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Secret(UnlockedApiKey), Secret.refuse, Secret.refuse, holds=Secret.one_read_serves_both
    )


def test_each_answer_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_in_every_order(
        lambda: Metrics(CodatCalls, monkeypatch), Metrics.note, Metrics.note, holds=Metrics.each_answer_is_counted_once
    )


def test_answers_that_are_lost_between_two_steps_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_some_order_breaks(
        lambda: Metrics(ForgetfulCalls, monkeypatch),
        Metrics.note,
        Metrics.note,
        holds=Metrics.each_answer_is_counted_once,
    )
