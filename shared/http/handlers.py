"""HTTP: what the handlers of every service share: posting a command once, reading at a position, pages, ETags."""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import date, datetime
from functools import cached_property, partial
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import uuid_utils
from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import TypeDecorator
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from typeid import TypeID

from shared.clock import day_of
from shared.http.auth import Caller, allow
from shared.http.correlation import correlation_of
from shared.http.problems import IMPORT_LIMIT_BYTES, Problem, body_too_large, register, request_id
from shared.http.writing import KNOWN, fingerprint_of, input_of, problem_of
from shared.journal.decider import Reasons, Refused
from shared.journal.places import PLACE_PATTERN, parse_place
from shared.journal.postgres import read_heads
from shared.journal.protocol import Document
from shared.journal.record import MAX_INTEGER, canonical, new_salts
from shared.journal.texts import SaltedText, TypedText, salted
from shared.writer.commands import Accepted, Context


class HttpReason(Reasons):
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing", 400, "An Idempotency-Key header is required"
    IDEMPOTENCY_KEY_MALFORMED = "idempotency_key_malformed", 400, "Malformed Idempotency-Key"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422, "The Idempotency-Key was used for another request"
    IF_MATCH_NOT_TAKEN = "if_match_not_taken", 400, "There is no ETag to go by"
    IF_MATCH_MALFORMED = "if_match_malformed", 400, "The If-Match header is not an ETag of this API"
    PRECONDITION_FAILED = "precondition_failed", 412, "The resource has changed since"
    COMMITMENT_TYPED = "commitment_typed", 422, "A commitment to a text is not a text"
    EVENT_TOO_LARGE = "event_too_large", 422, "The request is too large for one event"
    TOO_MANY_WAITING = "too_many_waiting", 429, "Too many commands of this client wait"
    OVERLOADED = "overloaded", 503, "Too many commands wait"
    UNAVAILABLE = "unavailable", 503, "The service cannot do this at the moment"
    CURSOR_MALFORMED = "cursor_malformed", 400, "The cursor was not issued by this list"
    POSITION_UNKNOWN = "position_unknown", 400, "The service cannot wait for this position"
    POSITION_NOT_REACHED = "position_not_reached", 503, "The read has not reached this position yet"


register(HttpReason)


AT_LEAST_PATIENCE_SECONDS = 5.0
PAGE_LIMIT = 200

KEY_HEADER = "idempotency-key"
KEY_PATTERN = "[!-~]{1,255}"

_KEY = re.compile(KEY_PATTERN)
_ETAG = re.compile(r'"(\d{1,15})"')


type ToWriter = Callable[[str, Any, Context], Awaitable[Accepted | Refused[Any]]]  # as `Writer.submit`


def kernel_of(request: Request) -> Any:
    return request.app.state.kernel


class Post:
    """One POST that changes something: its command id is made of the client, the person, the route and the Idempotency-Key."""

    def __init__(self, request: Request, response: Response, caller: Caller, idempotency_key: str | None, if_match: str | None) -> None:
        self.request = request
        self.response = response
        self.caller = caller
        self.kernel = kernel_of(request)
        if idempotency_key is None:
            raise Problem("idempotency_key_missing", "send a new key with each new command", field="header:idempotency-key")
        if _KEY.fullmatch(idempotency_key) is None:
            raise Problem(
                "idempotency_key_malformed",
                "the key must be short and visible",
                field="header:idempotency-key",
                accepted="1 to 255 visible ASCII characters",
            )
        self.expected_version = _version_of(if_match)
        self.key = idempotency_key
        self.command_id = self._id_of(request.scope["route"].path, request.scope["path_params"], idempotency_key)
        self.to_writer: ToWriter = self.kernel.writer.submit
        self._streams: set[str] = set()  # that a command of the request went to
        self._fingerprint: bytes | None = None  # once for all commands of the request
        self._texts: list[SaltedText] = []  # that events of its commands may hold commitments to

    @cached_property
    def now(self) -> datetime:
        """The instant when the request came."""
        instant: datetime = self.kernel.clock.now()
        return instant

    @cached_property
    def today(self) -> date:
        """The reserve's day when the request came."""
        return day_of(self.now, self.kernel.settings.zone)

    def new_id(self, prefix: str, index: int = 0) -> str:
        """A TypeID that derives from the command id: a retry names the same thing."""
        digest = sha256(self.command_id + f"/{prefix}/{index}".encode()).digest()
        return str(TypeID.from_uuid(uuid_utils.UUID(bytes=digest[:16], version=8), prefix))

    def text(self, typed: str, salt: bytes | None = None) -> TypedText:
        """The commitment to what the caller has typed, for a command. The text is kept, erasably, with the events that hold it. `salt`: 16
        bytes for this text alone, of a caller that has to know the commitment before; None: it is drawn."""
        if not typed:
            return TypedText("")
        self._texts.append(text := salted(salt or new_salts(1)[0], typed))
        return text.commitment

    def texts(self, typed: Sequence[str]) -> tuple[TypedText, ...]:
        return tuple(map(self.text, typed))

    async def submit(
        self, stream: str, command: Any, *, effective_on: date | None = None, documents: Sequence[Document] = (), part: str = ""
    ) -> Accepted:
        """Has the command decided, once. `part` tells apart the commands of a request that sends several.

        A `Problem` in place of a command is what a look-up says no with: it is the answer, unless the same request was answered before.
        What a look-up reads may change after a first answer, and must not take it back.

        Raises `Problem`: the domain's refusal by its code, or the kernel's own.
        """
        versioned = self.versioned(stream)
        context = await self.context(effective_on, documents, part)
        if isinstance(command, Problem):
            command = Refused[Any](command.code, command.detail, command.field, command.accepted)
        try:
            answer = await self.to_writer(stream, command, context)
        except KNOWN as error:
            raise problem_of(error, context) from error
        if isinstance(answer, Refused):
            raise Problem(str(answer.code), answer.detail, field=answer.field, accepted=answer.accepted)
        place = self.kernel.journal.histories.place(self.kernel.service.name, answer.shard, answer.position)
        self._streams.add(stream)
        headers = [each for each in self.response.raw_headers if each[0] not in (b"reserve-position", b"etag")]
        headers.append((b"reserve-position", str(place).encode()))  # of the last, since a header holds one
        if versioned and len(self._streams) == 1:  # what went to several has no version of its own
            headers.append((b"etag", b'"%d"' % answer.version))
        self.response.raw_headers[:] = headers
        return answer

    def versioned(self, stream: str) -> bool:
        """Whether its version is told. Raises Problem `if_match_not_taken`: whatever it says, an answer would say what others have done."""
        versioned = knows_version(self.kernel, self.caller, stream)
        if self.expected_version is not None and not versioned:
            raise Problem("if_match_not_taken", "others change this as well", field="header:if-match", accepted="a request without it")
        return versioned

    async def context(self, effective_on: date | None = None, documents: Sequence[Document] = (), part: str = "") -> Context:
        """What goes with a command of the request. Raises Problem `commitment_typed`."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(input_of(await self.request.body()))
        caller, identifier = self.caller, request_id(self.request.scope)
        return Context(
            command_id=sha256(self.command_id + part.encode()).digest() if part else self.command_id,
            actor=caller.subject,
            correlation_id=correlation_of(self.request, identifier),
            causation_id=f"request:{identifier}",
            effective_on=(effective_on or self.today).isoformat(),
            fingerprint=self._fingerprint,
            party=caller.party,
            partner=caller.partner,
            expected_version=self.expected_version,
            client=caller.takes_turns_as,
            documents=tuple(documents),
            texts=tuple(self._texts),
        )

    def of_item(self, route: str, ids: Mapping[str, str], key: str, fingerprint: bytes, to_writer: ToWriter) -> "Post":
        """One command of a bulk that this posts, as if it had been posted alone: under the same id, and with the same input."""
        item = copy(self)
        item.response = Response()
        item.expected_version = None
        item.key, item.command_id = key, item._id_of(route, ids, key)
        item.to_writer = to_writer
        item._streams, item._texts = set(), []
        item._fingerprint = fingerprint
        return item

    def _id_of(self, route: str, ids: Mapping[str, str], key: str) -> bytes:
        # The subject too, since people share the client that they sign in with: nobody gets another's answer for a key of their own. For
        # whom they speak is kept with the outcome, and compared (`Context.repeats`): in here it would make other ids than builds before.
        who = [self.caller.client_id, self.caller.subject]
        named = [*who, self.request.method, self.kernel.service.name, route, sorted(ids.items()), key]
        return sha256(canonical(named)).digest()


async def import_body(request: Request) -> bytes:
    """The body of a route that is among its service's `imports`. Raises Problem `body_too_large`."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > IMPORT_LIMIT_BYTES:
            raise body_too_large(IMPORT_LIMIT_BYTES)
    request._body = bytes(content)  # as `Request.body` keeps it
    return request._body


async def _posting(
    request: Request,
    response: Response,
    caller: Annotated[Caller, allow(on_duty=True)],
    idempotency_key: Annotated[
        str | None, Header(description="1 to 255 visible ASCII characters; the same key has the same effect once")
    ] = None,
    if_match: Annotated[
        str | None, Header(description="the ETag that the resource must still have; of what is shared, only the Reserve's own have one")
    ] = None,
) -> Post:
    return Post(request, response, caller, idempotency_key, if_match)


# What handlers declare. A coroutine, since FastAPI would send a class to its thread pool: a fifth of a request's time.
Posting = Annotated[Post, Depends(_posting)]


class Reads:
    """A read of this service's tables, at least as new as the position that `at_least` names."""

    def __init__(self, request: Request, at_least: str | None) -> None:
        self.request = request
        self.kernel = kernel_of(request)
        self.at_least = at_least

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        await self.arrived()
        async with AsyncSession(self.kernel.engine, expire_on_commit=False) as session:
            yield session

    @cached_property
    def today(self) -> date:
        """The reserve's day as it is read."""
        return day_of(self.kernel.clock.now(), self.kernel.settings.zone)

    async def state(self, stream: str) -> tuple[Any, int]:
        """(state, version) of an own stream as of now."""
        state, version = await self.kernel.writer.state(stream)
        return state, version

    def etag(self, response: Response, caller: Caller, stream: str, version: int) -> None:
        """The version of the stream that the answer tells of, for whoever may know it."""
        if knows_version(self.kernel, caller, stream):
            response.headers["ETag"] = f'"{version}"'

    async def arrived(self) -> None:
        """Waits for the position of `at_least`. Raises Problem `position_not_reached`, `position_unknown`."""
        if self.at_least is None:
            return
        place = parse_place(self.at_least)
        if self.kernel.journal.histories.lost(place):
            raise Problem(
                "position_unknown",
                f"history {place.history} has nothing there that is left: another one began before it",
                field="query:at_least",
            )
        try:
            async with self.kernel.patience(AT_LEAST_PATIENCE_SECONDS):
                await self._reached(place.service, place.shard, place.position)
        except TimeoutError as error:
            raise Problem(
                "position_not_reached", f"{self.at_least} has not arrived", field="query:at_least", headers={"Retry-After": "1"}
            ) from error

    async def _reached(self, source: str, shard: int, position: int) -> None:
        if source == self.kernel.service.name:
            async with self.kernel.pool.acquire() as connection:
                heads = await read_heads(connection)
            if shard not in heads or heads[shard].position < position:  # own tables are as new as the journal
                raise Problem("position_unknown", "the journal does not go that far", field="query:at_least")
        elif source in self.kernel.inbox.subscriptions and shard < self.kernel.settings.shards:
            await self.kernel.reached(source, shard, position)
        else:
            raise Problem("position_unknown", f"{self.kernel.service.name} takes nothing of {source}/{shard}", field="query:at_least")


AtLeast = Annotated[str | None, Query(pattern=PLACE_PATTERN, description="a Reserve-Position that the answer must include")]


async def _reading(request: Request, at_least: AtLeast = None) -> Reads:
    return Reads(request, at_least)


Reading = Annotated[Reads, Depends(_reading)]


class Page[View](BaseModel):
    """Part of a list. `next` is the cursor of the part that follows; null at the end."""

    data: list[View]
    next: str | None


class Pages(Reads):
    """A read of a list, of which the caller has the part that `cursor` and `limit` name."""

    def __init__(self, request: Request, response: Response, cursor: str | None, limit: int, at_least: str | None) -> None:
        super().__init__(request, at_least)
        self._response = response
        self._cursor = cursor
        self._limit = limit

    async def of[Row, View](
        self,
        query: SelectOfScalar[Row],
        key: Any,
        view: Callable[[Row], View],
        *,
        only: Mapping[Any, Any] | None = None,
        session: AsyncSession | None = None,
    ) -> Page[View]:
        """The part, in the order of `key` (a unique column); sets the Link header.

        `only`: what columns must hold (None: anything). `session`: one of this read, if the caller has it open.
        """
        if session is None:
            async with self.session() as own:
                return await self.of(query, key, view, only=only, session=own)
        for column, wanted in (only or {}).items():
            if wanted is not None:
                query = query.where(column == wanted)
        if self._cursor is not None:
            query = query.where(key > _cursor_value(self._cursor, key))
        rows = (await session.exec(query.order_by(key).limit(self._limit + 1))).all()
        following = None
        if len(rows) > self._limit:
            rows = rows[: self._limit]
            following = base64.urlsafe_b64encode(msgspec.json.encode(getattr(rows[-1], key.key))).decode().rstrip("=")
            # Relative, so that it holds behind the edge too.
            link = self.request.url.include_query_params(cursor=following, limit=self._limit).query
            self._response.headers["Link"] = f'<?{link}>; rel="next"'
        return Page(data=[view(row) for row in rows], next=following)


async def _paging(
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    at_least: AtLeast = None,
) -> Pages:
    return Pages(request, response, cursor, limit, at_least)


Paging = Annotated[Pages, Depends(_paging)]


def same_fields[View: BaseModel](model: type[View]) -> Callable[[Any], View]:
    """Makes a view of a row that has the view's fields."""
    return partial(model.model_validate, from_attributes=True)


def knows_version(kernel: Any, caller: Caller, stream: str) -> bool:
    """Of a stream that others change too, nobody outside: its versions would count what they do."""
    return not caller.outside or stream.partition("/")[0] in kernel.service.of_one_party


def _version_of(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    if (found := _ETAG.fullmatch(if_match)) is None:
        raise Problem(
            "if_match_malformed", "send the ETag as it was given", field="header:if-match", accepted='such as "12", with its quotes'
        )
    return int(found[1])


def _cursor_value(cursor: str, key: Any) -> Any:
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        kind = key.type.impl_instance if isinstance(key.type, TypeDecorator) else key.type  # SQLModel's str is a decorated String
        value = msgspec.json.decode(content, type=kind.python_type)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Problem("cursor_malformed", "take the cursor from `next`", field="query:cursor") from error
    if (isinstance(value, str) and "\0" in value) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        raise Problem("cursor_malformed", "take the cursor from `next`", field="query:cursor")
    return value
