"""Bulk: many commands of one kind in one request, each as if it had been sent alone, or all of them or none.

A command has the key that it would have alone, and the same id: so it counts once, alone and in any bulk. What goes to one stream is
decided in one turn of the writer, in the order of the items.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from json import loads
from typing import Annotated, Any

import msgspec
from fastapi import Request
from pydantic import BaseModel, Field, StrictBool, StringConstraints, WithJsonSchema

from shared.http.fields import Body
from shared.http.handlers import KEY_PATTERN, Post
from shared.http.openapi import named
from shared.http.problems import Problem, register
from shared.http.writing import AWAY, KNOWN, away, fingerprint_of, key_reused, problem_of
from shared.journal.decider import Reasons, Refused
from shared.journal.record import canonical
from shared.writer.commands import Accepted, Context, ItemKeyReused, in_item

ITEMS_LIMIT = 500
_WHOSE = re.compile(r"/items/(\d+)(/.*)?")


class BulkReason(Reasons):
    BULK_KEY_REPEATED = "bulk_key_repeated", 422, "Two commands of the bulk share an Idempotency-Key"
    BULK_OF_SEVERAL = "bulk_of_several", 422, "An all-or-nothing bulk must be about one stream"
    BULK_WITHOUT_VERSION = "bulk_without_version", 422, "If-Match needs an all-or-nothing bulk"


register(BulkReason)


class Keyed(Body):
    """One command of a bulk."""

    idempotency_key: Annotated[str, StringConstraints(pattern=f"^{KEY_PATTERN}$")]  # as its header would be, were it sent alone


class BulkBody[Item: Keyed](Body):
    """`atomic`: all or nothing. Then they are about one thing, and the first that is refused is the answer."""

    items: Annotated[list[Item], Field(min_length=1, max_length=ITEMS_LIMIT)]
    atomic: StrictBool = False


class BulkAnswer[View](BaseModel):
    """Of one command: what it would have been answered with, had it been sent alone. `problem`: its document, whose `field` points into
    the bulk; else `body`, and `position`, the Reserve-Position."""

    status: int
    position: str | None
    body: View | None
    problem: Annotated[dict[str, Any], WithJsonSchema(named("Problem"))] | None


class BulkView[View](BaseModel):
    """In the order of the items."""

    items: list[BulkAnswer[View]]


class Alone[Item: Keyed, View](msgspec.Struct, frozen=True):
    """How one command is sent alone: to `route`, with the members named in `ids` in its path, handled by `handle`, answered by a `view`."""

    route: str
    handle: Callable[[Item, Post], Awaitable[View]]
    view: type[View]
    ids: tuple[str, ...] = ()
    status: int = 201


async def bulk[Item: Keyed, View](post: Post, body: BulkBody[Item], alone: Alone[Item, View]) -> BulkView[View]:
    """Raises Problem for all of it: what cannot be sent as one, and the refusal of what is all or nothing."""
    _refuse_repeated_keys(body.items)
    if post.expected_version is not None and not body.atomic:
        raise Problem("bulk_without_version", "the commands have no version in common", field="header:if-match", accepted="none")
    if post.expected_version is not None and post.caller.outside:  # as `Post.versioned`: most of what goes in bulk is shared
        raise Problem("if_match_not_taken", "a bulk may change what others do", field="header:if-match", accepted="a request without it")
    fingerprints = await _fingerprints(post.request, alone.ids)
    turn = _Turn(post, await post.context(), len(body.items))
    answer_of = BulkAnswer[alone.view]  # type: ignore[name-defined]

    async def answer(number: int, item: Item) -> BulkAnswer[View] | Problem:
        try:
            ids = {name: getattr(item, name) for name in alone.ids}
            own = post.of_item(alone.route, ids, item.idempotency_key, fingerprints[number], turn.sender(number))
            view = await alone.handle(item, own)
        except Problem as problem:
            problem.field = in_item(number, problem.field)
            return problem
        except AWAY as error:  # others may be done: each has its own status
            unavailable = away(error, post.request)
            unavailable.field = in_item(number, None)
            return unavailable
        finally:
            turn.ready(number)
        return answer_of(status=alone.status, position=own.response.headers["reserve-position"], body=view, problem=None)

    tasks = [asyncio.create_task(answer(number, item)) for number, item in enumerate(body.items)]
    try:
        await turn.complete.wait()
        for task in tasks:
            if task.done() and (bug := task.exception()) is not None:
                raise bug  # nothing is done yet
        if body.atomic:
            await _send_whole(turn, tasks)
        else:
            await turn.send()
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    items = [_refused(answer_of, post, each) if isinstance(each, Problem) else each for each in answers]
    if done := [each.position for each in items if each.position is not None]:
        post.response.headers["Reserve-Position"] = done[-1]
    return BulkView[alone.view](items=items)  # type: ignore[name-defined]


def _refuse_repeated_keys(items: Sequence[Keyed]) -> None:
    first: dict[str, int] = {}
    for number, item in enumerate(items):
        if (known := first.setdefault(item.idempotency_key, number)) != number:
            field = in_item(number, "/idempotency_key")
            raise Problem("bulk_key_repeated", f"item {known} has this key already", field=field, accepted="another key")


async def _fingerprints(request: Request, ids: Sequence[str]) -> list[bytes]:
    """Of each item: that of the body that it would have alone. Raises Problem `commitment_typed`."""
    content = await request.body()
    try:
        items = msgspec.json.decode(content)["items"]
    except msgspec.DecodeError:  # UTF-16, for one
        items = loads(content)["items"]
    for item in items:
        for name in ("idempotency_key", *ids):
            item.pop(name)
    return [fingerprint_of(canonical(item), in_item(number, None)) for number, item in enumerate(items)]


def _refused(answer_of: type[BulkAnswer[Any]], post: Post, problem: Problem) -> BulkAnswer[Any]:
    if (wait := problem.headers.get("Retry-After")) is not None:
        post.response.headers["Retry-After"] = wait
    return answer_of(status=problem.status, position=None, body=None, problem=problem.document())


class _Sent(msgspec.Struct, frozen=True):
    """A command that waits for the others."""

    number: int
    stream: str
    command: Any
    context: Context
    answer: asyncio.Future[Accepted | Refused[Any]]


class _Turn:
    """The commands of a bulk, until each is there, or is refused without the writer."""

    def __init__(self, post: Post, key: Context, items: int) -> None:
        """`key`: what the bulk's own key stands for."""
        self.writer = post.kernel.writer
        self.key = key
        self.complete = asyncio.Event()
        self._missing = set(range(items))
        self._sent: list[_Sent] = []

    def sender(self, number: int) -> Callable[[str, Any, Context], Awaitable[Accepted | Refused[Any]]]:
        async def send(stream: str, command: Any, context: Context) -> Accepted | Refused[Any]:
            assert number in self._missing, "a command of a bulk is one command"
            sent = _Sent(number, stream, command, context, asyncio.get_running_loop().create_future())
            self._sent.append(sent)
            self.ready(number)
            return await sent.answer

        return send

    def ready(self, number: int) -> None:
        self._missing.discard(number)
        if not self._missing:
            self.complete.set()

    def by_stream(self) -> Mapping[str, list[_Sent]]:
        """In the order of the items."""
        found: dict[str, list[_Sent]] = {}
        for sent in sorted(self._sent, key=lambda each: each.number):
            found.setdefault(sent.stream, []).append(sent)
        return found

    async def send(self) -> None:
        """Each by itself, if there is room for all. The first turn keeps what the bulk's own key stands for: those to other streams go
        after it, and what keeps some of them from being decided is of these alone."""
        if not (streams := self.by_stream()):
            return
        first, *others = streams.values()
        try:
            await self.writer.ask(self.key.client, {stream: len(some) for stream, some in streams.items()})
            await self._send(first, self.key)
            await asyncio.gather(*(self._send(each, None) for each in others))
        except KNOWN as error:
            raise problem_of(error, self.key) from error

    async def _send(self, some: Sequence[_Sent], key: Context | None) -> None:
        commands = [(each.command, each.context) for each in some]
        try:
            answers = await self.writer.submit_all(some[0].stream, commands, key)
        except (*KNOWN, *AWAY) as error:
            if key is not None:
                raise
            answers = [error] * len(some)
        for each, answer in zip(some, answers, strict=True):
            _give(each, answer)

    async def send_whole(self, sent: Sequence[_Sent]) -> int | None:
        """The number of the one that was refused: its handler may say more of it."""
        try:
            answer = await self.writer.submit_whole(sent[0].stream, [(each.command, each.context) for each in sent], self.key)
        except ItemKeyReused as error:
            raise key_reused(in_item(error.number, "/idempotency_key")) from error
        except KNOWN as error:
            raise problem_of(error, self.key) from error
        if not isinstance(answer, Refused):
            for each, accepted in zip(sent, answer, strict=True):
                _give(each, accepted)
            return None
        found = _WHOSE.fullmatch(answer.field or "")
        assert found is not None, "a refusal says whose it is"
        number = int(found[1])
        _give(sent[number], msgspec.structs.replace(answer, field=found[2]))
        return number


def _give(sent: _Sent, answer: Any) -> None:
    if sent.answer.done():
        return
    if isinstance(answer, BaseException):
        sent.answer.set_exception(answer)
    else:
        sent.answer.set_result(answer)


async def _send_whole(turn: _Turn, tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Raises the Problem that is the answer, if it is not done."""
    for task in tasks:
        if task.done():
            raise task.result()
    streams = list(turn.by_stream().values())
    if len(streams) > 1:
        field = in_item(streams[1][0].number, None)
        raise Problem("bulk_of_several", "this goes elsewhere than the item before it", field=field, accepted="a bulk of each")
    if (number := await turn.send_whole(streams[0])) is not None:
        raise await tasks[number]
