"""Finds the calls to AWS in source code: which operations a program may ask for, and so which actions it needs.

What is found follows names. A library's function, method or class is reached if the program mentions its name, or if
other code that is reached does. In such code, each method counts that has the name of an operation of boto3. So an
operation may be found that is never called, and none is missed that is called by its name.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session
from botocore import xform_name

CLIENT_MAKERS: Final = {"client", "make"}
"""Methods whose first argument is the name of a service: of boto3, of ours, and of AwsClients."""
BY_NAME: Final = {"get_paginator", "get_waiter"}
"""Methods of a client whose first argument is the name of an operation."""
PREFIXES: Final = {"monitoring": "cloudwatch"}
"""Prefixes of actions, where they are not the name under which the service's requests are signed.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""
ACTIONS: Final = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:GetLayerVersionByArn": "lambda:GetLayerVersion",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:UploadFile": "s3:PutObject",
}
"""Actions that are not named as their operation. The same pages."""


def actions_of(program: Iterable[Path], libraries: Iterable[Path] = ()) -> frozenset[str]:
    """Return the actions that a program needs, with what it reaches of its libraries."""
    own = [_parsed(path) for path in program]
    others = [_parsed(path) for path in libraries]
    services = _services([*own, *others])
    reached: list[ast.AST] = [each for tree in own for each in (_outside_functions(tree), *_functions(tree))]
    reached += _reached(own, others)
    return frozenset(action for body in reached for action in _actions(body, services))


def _actions(body: ast.AST, services: frozenset[str]) -> Iterator[str]:
    """Yield the actions of the operations that a body names.

    Where several services have one of that name, those count that the body makes a client of, if it makes any of them.
    """
    made_here = _services([body])
    for name in _attributes(body) | _arguments(body, BY_NAME):
        candidates = _operations(services).get(name, {})
        nearest = candidates.keys() & made_here or candidates.keys()
        yield from (candidates[service] for service in nearest)


def action_of(service: str, operation: str) -> str:
    """Return the IAM action of an operation, both named as botocore's models have them."""
    metadata = _session().get_service_model(service).metadata
    signed = str(metadata.get("signingName", metadata["endpointPrefix"]))
    # A batch of SQS is allowed by the action of its single request.
    name = operation.removesuffix("Batch") if service == "sqs" else operation
    action = f"{PREFIXES.get(signed, signed)}:{name}"
    return ACTIONS.get(action, action)


def _reached(own: list[ast.Module], others: list[ast.Module]) -> Iterator[ast.AST]:
    """Yield each function and method of the libraries that is mentioned by its name, directly or by another one."""
    functions: dict[str, list[ast.AST]] = defaultdict(list)  # And what a class does without being asked by name.
    methods: dict[str, list[ast.AST]] = defaultdict(list)
    for tree in others:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                functions[node.name].append(node)
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for method in _functions(kind):
                (functions[kind.name] if re.fullmatch(r"__\w+__", method.name) else methods[method.name]).append(method)
            functions[kind.name] += kind.bases
    waiting: list[ast.AST] = list(own)
    while waiting:
        body = waiting.pop()
        if body not in own:
            yield body
        for name in _attributes(body):
            waiting += functions.pop(name, []) + methods.pop(name, [])
        for name in _names(body):
            waiting += functions.pop(name, [])


def _services(trees: Iterable[ast.AST]) -> frozenset[str]:
    """Return the services of which clients are made."""
    named = {name for tree in trees for name in _arguments(tree, CLIENT_MAKERS)}
    return frozenset(named & set(_session().get_available_services()))


def _functions(body: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(body) if isinstance(node, ast.FunctionDef)]


def _outside_functions(tree: ast.Module) -> ast.Module:
    """Return what a module does beside its functions and classes."""
    inside = (ast.FunctionDef, ast.ClassDef)
    return ast.Module([each for each in tree.body if not isinstance(each, inside)], [])


def _names(body: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}


def _attributes(body: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute)}


def _arguments(body: ast.AST, methods: set[str]) -> set[str]:
    """Return the texts that are the first argument of these methods."""
    return {
        node.args[0].value
        for node in ast.walk(body)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


@cache
def _operations(services: frozenset[str]) -> dict[str, dict[str, str]]:
    """Return the action of each method of the clients, by its name in Python and its service."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for service in services:
        for operation in _session().get_service_model(service).operation_names:
            found[xform_name(operation)][service] = action_of(service, operation)
    return found


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))
