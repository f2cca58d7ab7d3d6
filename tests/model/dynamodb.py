"""DynamoDB as far as this project calls it: the methods of its client on one table, with their conditions.

tests/unit shows with Moto that the expressions are valid. Here they are evaluated in memory, which is faster.
"""

import operator
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Item = dict[str, Any]
"""An item as Python's values: strings, numbers, lists and maps."""

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ConditionalCheckFailed(ClientError):
    """The condition did not hold. The current item is in the response."""

    def __init__(self, item: Item | None) -> None:
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}}, "UpdateItem")
        if item is not None:
            self.response["Item"] = _typed(item)  # type: ignore[typeddict-unknown-key]  # ALL_OLD puts it there.


class Table:
    """One table with the key ``companyId``."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # As boto3's own.
        item = self.items.get(request["Key"]["companyId"]["S"])
        return {} if item is None else {"Item": _typed(item)}

    def scan(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a page. As with DynamoDB, only a page with fewer items than its limit says that it is the last."""
        after = request.get("ExclusiveStartKey", {}).get("companyId", {}).get("S", "")
        keys = sorted(key for key in self.items if key > after)[: request["Limit"]]
        more = {"LastEvaluatedKey": {"companyId": {"S": keys[-1]}}} if len(keys) == request["Limit"] else {}
        return {"Items": [_typed(self.items[key]) for key in keys]} | more

    def update_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Check the condition and update, in one atomic step. Raise ``ConditionalCheckFailed``."""
        key = request["Key"]["companyId"]["S"]
        values = {name: _plain(value) for name, value in request["ExpressionAttributeValues"].items()}
        update, condition = request["UpdateExpression"], request["ConditionExpression"]
        for alias, name in request.get("ExpressionAttributeNames", {}).items():
            update, condition = update.replace(alias, name), condition.replace(alias, name)
        item = self.items.get(key)
        if not _holds(condition, item or {}, values):
            raise ConditionalCheckFailed(item)
        self.items[key] = _updated(update, item or {"companyId": key}, values)
        return {"Attributes": _typed(self.items[key])}


def _typed(item: Item) -> dict[str, Any]:
    write = TypeSerializer().serialize
    return {name: {"S": value} if isinstance(value, str) else write(value) for name, value in item.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401  # Whatever an attribute holds.
    return value["S"] if "S" in value else TypeDeserializer().deserialize(value)


def _holds(condition: str, item: Item, values: Item) -> bool:
    return any(
        all(_term_holds(term, item, values) for term in alternative.split(" AND "))
        for alternative in condition.split(" OR ")
    )


def _term_holds(term: str, item: Item, values: Item) -> bool:
    match term.replace("(", " ").replace(")", " ").split():
        case ["attribute_exists", name]:
            return name in item
        case ["attribute_not_exists", name]:
            return name not in item
        case [name, sign, value]:
            return name in item and _OPERATORS[sign](item[name], values[value])
    raise NotImplementedError(term)


def _updated(update: str, item: Item, values: Item) -> Item:
    if update.startswith("ADD "):
        terms = [each.split() for each in update.removeprefix("ADD ").split(",")]
        return {**item, **{name: item.get(name, 0) + values[value] for name, value in terms}}
    to_set, _, to_remove = update.partition("REMOVE")
    assignments = [each.split() for each in to_set.removeprefix("SET").split(",") if each.strip()]
    removed = {name.strip() for name in to_remove.split(",")}
    assert all(len(each) == 3 for each in assignments), update
    new = {**item, **{name: values[value] for name, _, value in assignments}}
    return {name: value for name, value in new.items() if name not in removed}
