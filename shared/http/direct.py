"""Direct: serves what FastAPI's routes declare without FastAPI's general machinery, which costs more than a draw does (ADR 14).

A route is read once, into the list of what its dependencies and its handler are given. All that is out of the ordinary (a route of
another kind, input that is not valid, a path or method that is not served) goes FastAPI's own way, which answers the same: only later.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from inspect import isasyncgenfunction, iscoroutinefunction
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAliasType, Union, cast, get_args, get_origin

import msgspec
from fastapi import FastAPI, params
from fastapi._compat import ModelField
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import ResponseValidationError
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.convertors import StringConvertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.problems import ProblemResponse
from shared.http.query import known_to_query, unfit_in_query
from shared.http.shown_texts import MARK, WithTexts, with_texts

type _Get = Callable[["_Exchange"], Any]
type _Arguments = tuple[tuple[str, _Get], ...]
type _Handler = Callable[[Request, Exception], Awaitable[Response]]

_SCALARS = (str, int, float, bool, date, Enum, NoneType)


class _Unusual(Exception):
    """FastAPI's way is the one for this request."""


class _NotDirect(Exception):
    """FastAPI's way is the one for this route."""


class _Exchange:
    """One request, as far as it is known."""

    __slots__ = ("body", "request", "response", "results", "scope")

    def __init__(self, scope: Scope, request: Request, body: Any) -> None:
        self.scope = scope
        self.request = request
        self.body = body
        self.response = response = Response.__new__(Response)  # its headers, and its status if it gets one, are the answer's
        response.raw_headers, response.status_code = [], 0
        self.results: list[Any] = []  # of the dependencies, in their order


class _Plan(msgspec.Struct, frozen=True):
    """A route: its dependencies in the order of their calls, then its handler."""

    route: APIRoute
    dependencies: tuple[tuple[Callable[..., Awaitable[Any]], _Arguments], ...]
    handler: Callable[..., Awaitable[Any]]
    arguments: _Arguments
    takes_body: bool
    answer: "_Answer | None"
    status: int


class _Answer(msgspec.Struct, frozen=True):
    """How a route's answer becomes JSON. One that is of the declared `model` already was valid when it was made."""

    field: ModelField
    model: type | None
    to_json: Callable[..., bytes]


class _Json(msgspec.Struct):
    """An answer, as an ASGI application: what Starlette's `JSONResponse` comes to once all is known."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class _Candidate(msgspec.Struct, frozen=True):
    """A route that a path may be meant for. `slashes`: how many its paths have, None: any number. `methods`, None: any."""

    pattern: Any
    slashes: int | None
    methods: frozenset[str] | None
    plan: _Plan | None
    query: Mapping[str, bool] | None = None  # what its query may name, None: anything
    answers: bool = False  # with JSON of a model, in which texts are shown; else with bytes of its own, to which nothing is done


class DirectRoutes:
    """ASGI middleware, to be the innermost of a FastAPI application. What no route declares in its query, or what stands there twice, is
    refused here, for all."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._candidates: list[_Candidate] | None = None
        self._of: dict[tuple[str, int], list[_Candidate]] = {}
        self._handlers: dict[type[Exception], _Handler] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (found := self._find(scope)) is None:
            await self._app(scope, receive, send)
            return
        candidate, path_params = found
        if scope["query_string"] and (unfit := unfit_in_query(scope, candidate.query)) is not None:
            await ProblemResponse(unfit)(scope, receive, send)
            return
        if (plan := candidate.plan) is None:
            await self._app(scope, receive, WithTexts(scope, send) if candidate.answers else send)
            return
        content = b""
        if plan.takes_body:
            content, receive = await _whole_body(receive)
        scope["route"], scope["endpoint"], scope["path_params"] = plan.route, plan.handler, path_params
        request = Request(scope, receive, send)
        if plan.takes_body:
            request._body = content  # as `Request.body` keeps it
        try:
            response: ASGIApp = await _respond(plan, scope, request, content)
        except _Unusual:
            for name in ("route", "endpoint", "path_params"):
                del scope[name]
            await self._app(scope, receive, WithTexts(scope, send) if candidate.answers else send)
            return
        except Exception as error:
            if (handler := next((self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers), None)) is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[_Candidate, dict[str, str]] | None:
        """The first route that this method and path are meant for."""
        if self._candidates is None:
            self._read(scope["app"])
        if scope.get("root_path"):
            return None
        method, path = scope["method"], scope["path"]
        for candidate in self._candidates_of(method, path.count("/")):
            if (found := candidate.pattern.match(path)) is not None:
                return candidate, found.groupdict()
        return None

    def _candidates_of(self, method: str, slashes: int) -> Sequence[_Candidate]:
        if (known := self._of.get((method, slashes))) is not None:
            return known
        assert self._candidates is not None
        fitting = [
            each for each in self._candidates if each.slashes in (None, slashes) and (each.methods is None or method in each.methods)
        ]
        if fitting and len(self._of) < 1_000:  # callers invent methods and paths
            self._of[method, slashes] = fitting
        return fitting

    def _read(self, app: FastAPI) -> None:
        """Once all routes and handlers are there: at the first request."""
        self._handlers = {
            kind: cast(_Handler, each) for kind, each in app.exception_handlers.items() if isinstance(kind, type) and kind is not Exception
        }
        self._candidates = [_candidate(context) for context in iter_route_contexts(app.routes)]


async def _whole_body(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and a `receive` that gives it again."""
    messages: list[Message] = []
    while True:
        messages.append(message := await receive())
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    content = b"".join(message.get("body", b"") for message in messages) if len(messages) > 1 else messages[0].get("body", b"")
    again = iter(messages)

    async def receive_again() -> Message:
        return next(again, None) or await receive()

    return content, receive_again


async def _respond(plan: _Plan, scope: Scope, request: Request, content: bytes) -> ASGIApp:
    exchange = _Exchange(scope, request, _decoded(scope, content) if content else None)
    for call, arguments in plan.dependencies:
        exchange.results.append(await call(**{name: get(exchange) for name, get in arguments}))
    answer = await plan.handler(**{name: get(exchange) for name, get in plan.arguments})
    if isinstance(answer, Response):
        return answer
    assert plan.answer is not None, f"{plan.route.path} says what it answers"
    if type(answer) is not plan.answer.model:
        answer, errors = plan.answer.field.validate(answer, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=answer)
    body = plan.answer.to_json(answer, by_alias=True)
    if MARK in body:
        body = await with_texts(scope, body)
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"), *exchange.response.raw_headers]
    return _Json(exchange.response.status_code or plan.status, headers, body)


def _decoded(scope: Scope, content: bytes) -> Any:
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value != b"application/json":
                raise _Unusual
            break
    else:
        raise _Unusual
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):  # FastAPI's own way reads more than this: UTF-16, for one
        raise _Unusual from None


# Reading a route


def _candidate(context: RouteContext) -> _Candidate:
    route = context.original_route
    pattern = context.path_regex
    methods = None if context.methods is None else frozenset(context.methods)
    if not isinstance(route, APIRoute):
        return _Candidate(pattern, None, methods, None)
    query = known_to_query(context.dependant)
    answers = context.response_field is not None
    if not all(type(each) is StringConvertor for each in context.param_convertors.values()):
        return _Candidate(pattern, None, methods, None, query, answers)
    assert context.path is not None
    try:
        plan = _plan(context, route)
    except _NotDirect:
        plan = None
    return _Candidate(pattern, context.path.count("/"), methods, plan, query, answers)


def _plan(context: Any, route: Any) -> _Plan:
    """Raises _NotDirect for a route with anything that is not known here."""
    ordinary = (
        (isinstance(context.response_class, DefaultPlaceholder) or context.response_field is None)  # or it makes its answer itself
        and not (context.is_sse_stream or context.is_json_stream or context._embed_body_fields)
        and context.max_body_size is None
        and context.status_code in (None, 200, 201, 202)
        and context.response_model_by_alias
        and not any(
            (
                context.response_model_include,
                context.response_model_exclude,
                context.response_model_exclude_unset,
                context.response_model_exclude_defaults,
                context.response_model_exclude_none,
            )
        )
    )
    if not ordinary:
        raise _NotDirect
    dependant: Dependant = context.dependant
    steps: list[tuple[Callable[..., Awaitable[Any]], _Arguments]] = []
    arguments = _arguments(dependant, steps, {}, of_handler=True)
    handler = _coroutine(dependant)
    return _Plan(
        route=route,
        dependencies=tuple(steps),
        handler=handler,
        arguments=arguments,
        takes_body=bool(dependant.body_params),
        answer=None if context.response_field is None else _answer(context.response_field),
        status=context.status_code or 200,
    )


def _answer(field: ModelField) -> _Answer:
    declared = field.field_info.annotation
    model = declared if isinstance(declared, type) and issubclass(declared, BaseModel) else None
    return _Answer(field, model, field._type_adapter.serializer.to_json)


def _arguments(
    dependant: Dependant,
    steps: list[tuple[Callable[..., Awaitable[Any]], _Arguments]],
    known: dict[Callable[..., Any], int],
    *,
    of_handler: bool,
) -> _Arguments:
    """What `dependant` is called with; before it, in `steps`, its own dependencies. `known`: where the result of each call stands."""
    unknown = (
        dependant.websocket_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.own_oauth_scopes,
        dependant.parent_oauth_scopes,
        dependant.cookie_params,
        dependant.concurrency,
        dependant.body_params and not of_handler,
    )
    if any(unknown):
        raise _NotDirect
    arguments: list[tuple[str, _Get]] = []
    for each in dependant.dependencies:
        call = _coroutine(each)
        if not each.use_cache or call not in known:
            own = _arguments(each, steps, known, of_handler=False)
            known[call] = len(steps)
            steps.append((call, own))
        if each.name is not None:
            arguments.append((each.name, _result(known[call])))
    arguments += [(field.name, _of_path(field)) for field in dependant.path_params]
    arguments += [(field.name, _of_query(field)) for field in dependant.query_params]
    arguments += [(field.name, _of_header(field)) for field in dependant.header_params]
    if dependant.body_params:
        (field,) = dependant.body_params
        if type(field.field_info) is not params.Body:
            raise _NotDirect
        arguments.append((field.name, _of_body(field)))
    for name in (dependant.request_param_name, dependant.http_connection_param_name):
        if name is not None:
            arguments.append((name, _the_request))
    if dependant.response_param_name is not None:
        arguments.append((dependant.response_param_name, _the_response))
    return tuple(arguments)


def _coroutine(dependant: Dependant) -> Callable[..., Awaitable[Any]]:
    call = dependant.call
    if call is None or isasyncgenfunction(call) or not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)):
        raise _NotDirect  # FastAPI sends it to a thread, or ends it after the answer
    return call


def _the_request(exchange: _Exchange) -> Any:
    return exchange.request


def _the_response(exchange: _Exchange) -> Any:
    return exchange.response


def _result(number: int) -> _Get:
    return lambda exchange: exchange.results[number]


def _of_path(field: ModelField) -> _Get:
    _require_scalar(field)
    name, valid = field.alias, _validator(field)
    return lambda exchange: valid(exchange.scope["path_params"][name])


def _of_query(field: ModelField) -> _Get:
    name, default, valid = field.alias, _default(field), _validator(field)

    def get(exchange: _Exchange) -> Any:
        if not exchange.scope["query_string"] or (value := exchange.request.query_params.get(name)) is None:
            return default()
        return valid(value)

    return get


def _of_header(field: ModelField) -> _Get:
    name, default, valid = field.alias.lower().encode(), _default(field), _validator(field)

    def get(exchange: _Exchange) -> Any:
        for each, value in exchange.scope["headers"]:
            if each == name:
                return valid(value.decode("latin-1"))
        return default()

    return get


def _of_body(field: ModelField) -> _Get:
    valid = _validator(field)

    def get(exchange: _Exchange) -> Any:
        if exchange.body is None:  # there is none, or it is null
            raise _Unusual
        return valid(exchange.body)

    return get


def _validator(field: ModelField) -> Callable[[Any], Any]:
    """Raises _Unusual for what is not valid: FastAPI says why."""
    validate = field._type_adapter.validator.validate_python

    def valid(value: Any) -> Any:
        try:
            return validate(value, from_attributes=True)
        except ValidationError:
            raise _Unusual from None

    return valid


def _default(field: ModelField) -> Callable[[], Any]:
    _require_scalar(field)
    if field.field_info.is_required():

        def missing() -> Any:
            raise _Unusual

        return missing
    value = field.get_default()
    if field.field_info.validate_default or not isinstance(value, _SCALARS):
        raise _NotDirect
    return lambda: value


def _require_scalar(field: ModelField) -> None:
    """FastAPI reads lists and models from several values of a query."""
    if field.validation_alias not in (None, field.alias) or not _is_scalar(field.field_info.annotation):
        raise _NotDirect


def _is_scalar(annotation: Any) -> bool:
    if isinstance(annotation, TypeAliasType):
        return _is_scalar(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return _is_scalar(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return all(_is_scalar(each) for each in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, _SCALARS)
