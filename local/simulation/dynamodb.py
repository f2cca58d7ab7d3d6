"""DynamoDB: one table, and the client of boto3 as far as the functions call it. Expressions are those of the functions.

The tests hold it to the same answers as Moto, which takes milliseconds for a call where this takes microseconds.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError

from local.simulation.client import Client
from local.simulation.virtual_time import Clock

Item = dict[str, Any]
Values = Mapping[str, Any]
_Condition = Callable[[Item, Values], bool]
_Update = Callable[[Item, Values], None]


class ConditionalCheckFailed(ClientError):
    """The item is not as the condition says."""


class DynamoDbClient(Client):
    """The client of one table, whose key is ``companyId``. ``items`` are those of the table, by key."""

    service_id = "DynamoDB"
    request_seconds = 0.005
    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self, clock: Clock, items: dict[str, Item]) -> None:
        super().__init__(clock)
        self._items = items

    def get_item(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401  # The arguments of boto3.
        self._request("GetItem")
        item = self._items.get(_key(said["Key"]))
        return {"Item": dict(item)} if item is not None else {}

    def update_item(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        self._request("UpdateItem")
        key, values = _key(said["Key"]), said.get("ExpressionAttributeValues", {})
        item = self._items.get(key)
        if "ConditionExpression" in said:
            holds = _condition(_named(said["ConditionExpression"], said))
            if not holds(item or {}, values):
                kept = item is not None and said.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
                raise _check_failed(item if kept else None)
        updated = dict(item or said["Key"])
        for update in _updates(_named(said["UpdateExpression"], said)):
            update(updated, values)
        self._items[key] = updated
        return {"Attributes": dict(updated)} if said.get("ReturnValues") == "ALL_NEW" else {}

    def scan(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        self._request("Scan")
        keys = list(self._items)
        start = keys.index(_key(said["ExclusiveStartKey"])) + 1 if "ExclusiveStartKey" in said else 0
        page = keys[start : start + said["Limit"]]
        more = start + said["Limit"] < len(keys)
        last = {"LastEvaluatedKey": {"companyId": {"S": page[-1]}}} if more else {}
        return {"Items": [dict(self._items[each]) for each in page]} | last


def _key(said: Mapping[str, Any]) -> str:
    return str(said["companyId"]["S"])


def _check_failed(item: Item | None) -> ConditionalCheckFailed:
    code = {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    response: Any = {"Error": code} | ({"Item": dict(item)} if item is not None else {})
    return ConditionalCheckFailed(response, "UpdateItem")


def _named(expression: str, said: Mapping[str, Any]) -> str:
    for placeholder, name in said.get("ExpressionAttributeNames", {}).items():
        expression = expression.replace(placeholder, name)
    return expression


@cache
def _condition(expression: str) -> _Condition:
    """Read terms joined by OR and AND, without parentheses around them."""
    alternatives = [[_term(term.strip()) for term in each.split(" AND ")] for each in expression.split(" OR ")]
    return lambda item, values: any(all(term(item, values) for term in terms) for terms in alternatives)


def _term(term: str) -> _Condition:
    if exists := re.fullmatch(r"attribute_(not_)?exists\((\w+)\)", term):
        wanted, name = exists[1] is None, exists[2]
        return lambda item, _: (name in item) is wanted
    comparison = re.fullmatch(r"(\w+) (=|<|<=|>|>=|<>) (:\w+)", term)
    if comparison is None:
        raise NotImplementedError(f"the condition {term!r}")
    name, operator, value = comparison.groups()
    compare = _COMPARISONS[operator]
    return lambda item, values: name in item and compare(_plain(item[name]), _plain(values[value]))


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _plain(value: Mapping[str, Any]) -> Any:  # noqa: ANN401  # Of DynamoDB's types, those that are compared.
    ((kind, content),) = value.items()
    return float(content) if kind == "N" else content


@cache
def _updates(expression: str) -> tuple[_Update, ...]:
    """Read the clauses SET, ADD and REMOVE."""
    clauses = re.split(r"\b(SET|ADD|REMOVE)\b", expression)[1:]
    read = {"SET": _set, "ADD": _add, "REMOVE": _remove}
    return tuple(
        read[kind](each.strip())
        for kind, clause in zip(clauses[::2], clauses[1::2], strict=True)
        for each in re.split(r",(?![^(]*\))", clause)
    )


def _set(action: str) -> _Update:
    name, _, operand = (part.strip() for part in action.partition("="))
    value = _operand(operand)

    def update(item: Item, values: Values) -> None:
        item[name] = value(item, values)

    return update


def _operand(text: str) -> Callable[[Item, Values], Any]:
    left, operator, right = (
        (part.strip() for part in re.split(r" ([+-]) ", text)) if re.search(r" [+-] ", text) else (text, "", "")
    )
    if operator:
        first, second, sign = _operand(left), _operand(right), 1 if operator == "+" else -1
        return lambda item, values: _number(_plain(first(item, values)) + sign * _plain(second(item, values)))
    if default := re.fullmatch(r"if_not_exists\((\w+), *(.+)\)", text):
        name, otherwise = default[1], _operand(default[2])
        return lambda item, values: item[name] if name in item else otherwise(item, values)
    if text.startswith(":"):
        return lambda _, values: values[text]
    return lambda item, _: item[text]


def _add(action: str) -> _Update:
    name, value = action.split()

    def update(item: Item, values: Values) -> None:
        item[name] = _number(_plain(item.get(name, {"N": "0"})) + _plain(values[value]))

    return update


def _remove(name: str) -> _Update:
    return lambda item, _: item.pop(name, None) and None


def _number(value: float) -> dict[str, str]:
    return {"N": f"{value:g}" if value != int(value) else str(int(value))}
