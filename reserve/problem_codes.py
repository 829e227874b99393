"""Problem codes of an operation: those that its code may come to, read from the source, as the API's documents list them.

What may be met is followed, not run: from a route's handler and dependencies to each function that they name, and from the commands that
they make into the rules of their streams, where a `match` or a table leads to no other command. So a list may have a code that never
occurs; `tests/documented.py` sees to it that none occurs which it lacks.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, partial
from types import FunctionType, MethodType, ModuleType, UnionType
from typing import Annotated, Any, TypeAliasType, Union, get_args, get_origin

import msgspec
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from reserve.operate.edge.answers import OwnReason
from shared.http.auth import AuthReason
from shared.http.crowd import CrowdReason
from shared.http.handlers import HttpReason
from shared.http.openapi import dependants, operations_in
from shared.http.problems import CATALOGUE, EdgeReason
from shared.journal.decider import Decider, Reasons
from shared.process.service import Service
from shared.terms.countersigning import ApproveCommand, ControlReason, Countersigned, commands_of

# Of any operation: what the edge, the reading of a request and its token may refuse.
COMMON = frozenset(reason.value for reason in (*EdgeReason, *OwnReason, *AuthReason, *CrowdReason, HttpReason.UNAVAILABLE))
_OURS = ("services.", "shared.")


def list_codes(document: dict[str, Any], app: FastAPI, service: Service) -> None:
    """Has each operation say what codes its problems may have, beside the schema that all problems share."""
    codes, asked = Codes(service), dependants(app)
    for operation in operations_in(document):
        listed = sorted(codes.of(asked[operation["operationId"]]))
        problem = {"$ref": "#/components/schemas/Problem", "properties": {"code": {"enum": listed}}}
        operation["responses"]["default"] = {
            "description": "A problem (RFC 9457)",
            "content": {"application/problem+json": {"schema": problem}},
        }


class _Instance(msgspec.Struct, frozen=True):
    """What the source says to be one of this class."""

    kind: type


class _Source(msgspec.Struct):
    """What the source of a function, or of a `case` in it, names."""

    codes: set[str] = msgspec.field(default_factory=set)
    completed: set[str] = msgspec.field(default_factory=set)  # "{}_not_found": codes that a text of the caller's completes
    functions: set[FunctionType] = msgspec.field(default_factory=set)
    commands: set[type] = msgspec.field(default_factory=set)  # of the service's streams
    cases: list[tuple[frozenset[type], "_Source"]] = msgspec.field(default_factory=list)  # for these commands alone


class Codes:
    """Of the operations of one service."""

    def __init__(self, service: Service) -> None:
        self._deciders = service.deciders
        self._commands = {command for decider in service.deciders for command in commands_of(decider.commands)}
        self._signed = {command for command, control in service.controls.items() if isinstance(control, Countersigned)}
        self._read: dict[FunctionType, _Source] = {}

    def of(self, dependant: Dependant) -> frozenset[str]:
        """The codes of a route, with those of `COMMON`."""
        met = self._follow(_calls(dependant), None)
        if ApproveCommand in met.commands:  # it is any of those that another must sign
            met.commands |= self._signed
        deciders = [each for each in self._deciders if not met.commands.isdisjoint(commands_of(each.commands))]
        found = met.codes | self._follow([rule for decider in deciders for rule in _rules_of(decider)], met.commands).codes
        if met.commands.isdisjoint(self._signed):
            found.discard(ControlReason.NEEDED)
        return COMMON | found

    def _follow(self, begin: Iterable[Any], commands: set[type] | None) -> _Source:
        """All that is met from there on. `commands`: whose cases alone are followed; None: all."""
        met, seen = _Source(), set[FunctionType]()
        ahead = [function for each in begin for function in _functions_of(each)]
        while ahead:
            if (function := ahead.pop()) not in seen:
                seen.add(function)
                ahead += self._take(self._source_of(function), met, commands)
        return met

    def _take(self, part: _Source, met: _Source, commands: set[type] | None) -> Iterator[FunctionType]:
        met.codes |= part.codes
        met.commands |= part.commands
        yield from part.functions
        for wanted, case in part.cases:
            if commands is None or not commands.isdisjoint(wanted):
                yield from self._take(case, met, commands)

    def _source_of(self, function: FunctionType) -> _Source:
        if (source := self._read.get(function)) is None:
            source = self._read[function] = _Source()
            names = _names_in(function)
            for statement in _body(function):
                self._read_node(statement, names, source)
        return source

    def _read_node(self, node: ast.AST, names: dict[str, Any], met: _Source) -> None:
        match node:
            case ast.Constant(value=str() as text) if text in CATALOGUE:
                met.codes.add(text)
            case ast.JoinedStr(values=parts) if sum(isinstance(part, ast.FormattedValue) for part in parts) == 1:
                met.completed.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts))
            case ast.Call(func=func, args=arguments):
                for code in {code for function in _functions_of(_value_of(func, names)) for code in self._source_of(function).completed}:
                    met.completed |= {code} if any(isinstance(each, ast.Name) and each.id not in names for each in arguments) else set()
                    met.codes |= {code.format(each.value) for each in arguments if isinstance(each, ast.Constant)} & CATALOGUE.keys()
            case ast.Name() | ast.Attribute():
                self._name(_value_of(node, names), met)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.NamedExpr(target=ast.Name(id=name), value=value):
                names[name] = _value_of(value, names)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                names[name] = _instance_of(_value_of(annotation, names))
            case ast.match_case(pattern=pattern):
                kinds = [_value_of(each.cls, names) for each in ast.walk(pattern) if isinstance(each, ast.MatchClass)]
                if commands := self._commands.intersection(kinds):
                    met.cases.append((frozenset(commands), inner := _Source()))
                    met = inner
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and name not in ("annotation", "returns"):
                    self._read_node(child, names, met)

    def _name(self, value: Any, met: _Source) -> None:
        match value:
            case Reasons():
                met.codes.add(value.value)
            case type():
                met.commands |= {value} & self._commands
                met.functions.update(
                    function for begins in ("__init__", "__post_init__") for function in _functions_of(vars(value).get(begins))
                )
            case Mapping() if value is not CATALOGUE:
                for key, each in value.items():
                    inner = met
                    if key in self._commands:
                        met.cases.append((frozenset({key}), inner := _Source()))
                    self._name(each, inner)
            case tuple() | list() | set() | frozenset():
                for each in value:
                    self._name(each, met)
            case msgspec.Struct() if not isinstance(value, Decider | _Instance):
                for name in value.__struct_fields__:
                    self._name(getattr(value, name), met)
            case _:
                met.functions.update(_functions_of(value))


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)


def _rules_of(decider: Decider) -> Iterator[Any]:
    """Its `decide`, and that of the stream that it puts under control."""
    yield decider.decide
    if (inner := getattr(getattr(decider.decide, "__self__", None), "decider", None)) is not None:
        yield from _rules_of(inner)


def _functions_of(value: Any) -> Iterator[FunctionType]:
    """The function of ours that it comes to, if it comes to one: bound, partial, cached, wrapped or a property."""
    while isinstance(value, partial | cached_property | property | MethodType | classmethod | staticmethod):
        match value:
            case partial() | cached_property():
                value = value.func
            case property():
                value = value.fget
            case _:
                value = value.__func__
    value = inspect.unwrap(value) if callable(value) else value
    if callable(value) and not isinstance(value, type | FunctionType):
        value = vars(type(value)).get("__call__")
    if isinstance(value, FunctionType) and value.__module__.startswith(_OURS):
        yield value


def _names_in(function: FunctionType) -> dict[str, Any]:
    """What names stand for in it, as far as its module, what it is made in, and its parameters' types say."""
    names = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    if isinstance(own := names.get(function.__qualname__.partition(".")[0]), type):
        names["self"] = _Instance(own)
    return names | {name: made for name, hint in function.__annotations__.items() if (made := _instance_of(hint)) is not None}


def _instance_of(hint: Any) -> _Instance | None:
    """One of the class of ours that the type names, if it names one."""
    if isinstance(hint, TypeAliasType):
        ours = str(hint.__module__).startswith("services.")  # asyncpg's are for type checkers alone
        return _instance_of(hint.__value__) if ours else None
    if get_origin(hint) is Annotated:
        return _instance_of(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return next((made for each in get_args(hint) if (made := _instance_of(each)) is not None), None)
    kind = get_origin(hint) or hint
    return _Instance(kind) if isinstance(kind, type) and kind.__module__.startswith(_OURS) else None


@cache
def _body(function: FunctionType) -> list[ast.stmt]:
    if function.__name__ == "<lambda>":
        return [ast.Expr(ast.Name(name)) for name in function.__code__.co_names]  # its source begins and ends anywhere
    [defined] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(defined, ast.FunctionDef | ast.AsyncFunctionDef)
    return defined.body


def _value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What it stands for, if the source says it; else None."""
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=name):
            holder = _value_of(value, names)
            if isinstance(holder, _Instance):
                return _member_of(holder.kind, name)
            known = isinstance(holder, ModuleType | type) or type(holder).__module__.startswith(_OURS)
            return getattr(holder, name, None) if known else None
        case ast.Await(value=value):
            return _value_of(value, names)
        case ast.Call(func=ast.Attribute(attr="part"), args=[kind]) if isinstance(made := _value_of(kind, names), type):
            return _Instance(made)  # `kernel.part(News)`
        case ast.Call(func=func):
            called = _value_of(func, names)
            if isinstance(called, type):
                return _Instance(called)
            return next((_instance_of(function.__annotations__.get("return")) for function in _functions_of(called)), None)
        case _:
            return None


@cache
def _member_of(kind: type, name: str) -> Any:
    """A method, or what a member is one of, as its type or `__init__` says."""
    for each in kind.__mro__:
        if (hint := each.__annotations__.get(name) if "__annotations__" in vars(each) else None) is not None:
            return _instance_of(hint)
        for begins in _functions_of(vars(each).get("__init__")):
            for node in ast.walk(ast.Module(_body(begins), [])):
                match node:
                    case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=found)], value=value) if found == name:
                        return _value_of(value, _names_in(begins))
    return inspect.getattr_static(kind, name, None)
