"""Client: one who asks a service for something. It repeats a command under one id until it has an answer, or gives up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from shared.journal.decider import Refused
from shared.journal.protocol import Document
from shared.writer.commands import (
    Accepted,
    CommandFailed,
    Context,
    FingerprintMismatch,
    ItemKeyReused,
    Overloaded,
    Unavailable,
    VersionMismatch,
)
from tests.simulation.tables import AllocationTables, InventoryTables

if TYPE_CHECKING:
    from tests.simulation.world import Running, World

type Answer = Accepted | Refused[Any]
type Prepare = Callable[["Running", date], Awaitable[tuple[Any, tuple[Document, ...]]]]


class Operation(msgspec.Struct, kw_only=True):
    """What a client asked for, when (the loop's time), and every answer that it had."""

    client: str
    command_id: str
    service: str
    stream: str
    command: str
    expected_version: int | None  # of the stream (If-Match)
    started_at: float
    hopeless: bool = False  # the rules allow it, and a constraint of the database does not
    answered_at: float | None = None
    answers: list[dict[str, Any]] = []


class Client:
    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.dice = world.chance.random
        self.asked = 0
        self._sent = 0

    @property
    def inventory(self) -> InventoryTables:
        tables: InventoryTables = self.world.stores["inventory"].tables
        return tables

    @property
    def allocation(self) -> AllocationTables:
        tables: AllocationTables = self.world.stores["allocation"].tables
        return tables

    def new_id(self, kind: str) -> Any:
        self.asked += 1
        return f"{kind}_{self.name}{self.asked}"

    async def pause(self, mean_s: float = 0.3) -> None:
        await asyncio.sleep(self.dice.expovariate(1.0) * mean_s)

    async def do(self, service: str, stream: str, command: Any | Prepare, *, tries: int = 12, hopeless: bool = False) -> Answer | None:
        """The answer, or None for one that did not come. `command` is a struct with or without `on`, or prepares one at each try."""
        self.asked += 1
        name = command.__name__ if callable(command) else type(command).__name__
        command_id = sha256(f"{self.name}/{self.asked}".encode()).digest()
        loop = asyncio.get_running_loop()
        operation = Operation(
            client=self.name,
            command_id=command_id.hex(),
            service=service,
            stream=stream,
            command=name,
            expected_version=self._expected_version(service, stream),
            started_at=loop.time(),
            hopeless=hopeless,
        )
        self.world.operations.append(operation)
        if self.dice.random() < 0.1 or operation.expected_version is not None:
            tries = self.dice.randrange(1, 3)  # an impatient one
        answer = None
        for _ in range(tries):
            answer = await self._ask_once(operation, command_id, command)
            if answer is not None:
                break
            await self.pause(0.4)
        if answer is not None and self.dice.random() < 0.15:  # it did not get through to the client: once more
            await self.pause()
            await self._ask_once(operation, command_id, command)
        if isinstance(answer, Accepted) and self.dice.random() < 0.05:
            await self._ask_otherwise(operation, command_id, command)
        self.world.chance.note(self.name, f"{name} {stream} {command_id.hex()[:8]}: {_told(answer)}")
        return answer

    def _expected_version(self, service: str, stream: str) -> int | None:
        """Some go by what they saw, and want no more."""
        if self.dice.random() > 0.05:
            return None
        return max(0, len(self.world.stores[service].by_stream.get(stream, ())) - self.dice.choice((0, 0, 0, 1)))

    async def _ask_once(self, operation: Operation, command_id: bytes, command: Any | Prepare) -> Answer | None:
        doors = self.world.serving(operation.service)
        if not doors:
            return None
        if self.dice.random() > 0.05:
            return await self._through(self.dice.choice(doors), operation, command_id, command)
        # something between repeats the request
        answers = await asyncio.gather(*(self._through(self.dice.choice(doors), operation, command_id, command) for _ in range(2)))
        return next((each for each in answers if each is not None), None)

    async def _ask_otherwise(self, operation: Operation, command_id: bytes, command: Any | Prepare) -> None:
        """Another input under an id that has been decided is never decided."""
        if doors := self.world.serving(operation.service):
            await self._through(self.dice.choice(doors), operation, command_id, command, fingerprint=b"another")

    async def _through(
        self, process: "Running", operation: Operation, command_id: bytes, command: Any | Prepare, fingerprint: bytes = b"input"
    ) -> Answer | None:
        async def handle() -> Answer:
            on = process.today()
            documents: tuple[Document, ...] = ()
            made = command
            if callable(command):
                made, documents = await command(process, on)
            elif "on" in command.__struct_fields__:
                made = msgspec.structs.replace(command, on=on)
            context = Context(
                command_id=command_id,
                actor=self.name,
                correlation_id=command_id[:16].hex(),
                causation_id=f"request:{self.name}",
                effective_on=on.isoformat(),
                fingerprint=fingerprint,
                expected_version=operation.expected_version,
                client=self.name,
                documents=documents,
            )
            return await self._send(process, operation.stream, made, context)

        loop = asyncio.get_running_loop()
        task = process.spawn(handle(), f"request-{self.name}")
        await asyncio.wait([task], timeout=self.dice.choice((0.5, 5.0, 30.0)))
        if not task.done():
            if self.dice.random() < 0.5:
                task.cancel()  # the connection is closed, and the handler told so; or it goes on for nobody
            return None
        if task.cancelled():
            return None
        error = task.exception()
        if isinstance(error, FingerprintMismatch) and fingerprint != b"input":
            return None
        if error is None and fingerprint != b"input":
            self.world.fault(f"{self.name}: {operation.command_id[:8]} was decided for another input, too")
        elif error is None:
            answer = task.result()
            if operation.answered_at is None:
                operation.answered_at = loop.time()
            operation.answers.append(_written(answer))
            return answer
        elif isinstance(error, CommandFailed) and operation.hopeless:
            pass
        elif not isinstance(error, Overloaded | Unavailable | NotNow | VersionMismatch):
            self.world.fault(f"{self.name}: {operation.command} on {operation.stream} failed: {error!r}")
        return None

    async def _send(self, process: "Running", stream: str, command: Any, context: Context) -> Answer:
        """Alone, in a bulk, or in one that is all or nothing: where that is refused, the command itself was never decided."""
        self._sent += 1
        way = sha256(context.command_id + str(self._sent).encode()).digest()[0] % 6  # the dice fall as they did
        key = msgspec.structs.replace(context, command_id=sha256(context.command_id + bytes([way])).digest(), documents=())
        if way == 0:
            [answer] = await process.writer.submit_all(stream, [(command, context)], msgspec.structs.replace(key, expected_version=None))
            if isinstance(answer, BaseException):
                raise answer
            return answer
        if way == 1:
            try:
                done = await process.writer.submit_whole(stream, [(command, context)], key)
            except ItemKeyReused as error:
                raise FingerprintMismatch from error
            if not isinstance(done, Refused):
                return done[0]
        return await process.writer.submit(stream, command, context)

    async def read(self, service: str, stream: str) -> Any:
        """The stream's state, as one of the service's processes has it; None if none gives it."""
        doors = self.world.serving(service)
        if not doors:
            return None
        process = self.dice.choice(doors)
        reading = process.spawn(process.writer.state(stream), f"read-{self.name}")
        await asyncio.wait([reading])
        return None if reading.cancelled() or reading.exception() is not None else reading.result()[0]

    async def until(self, condition: Callable[[], Any], patience_s: float = 15.0) -> Any:
        """What the condition gave, or something false when patience is over."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while not (found := condition()) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.25)
        return found


def with_document(document: Document, command: Any) -> Prepare:
    """The command, with the document that it names."""

    async def prepare(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return msgspec.structs.replace(command, on=on) if "on" in command.__struct_fields__ else command, (document,)

    prepare.__name__ = type(command).__name__
    return prepare


class NotNow(Exception):
    """What a command needs to be prepared cannot be read now."""


def _told(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    return f"refused {answer.code}" if isinstance(answer, Refused) else f"{answer.shard}/{answer.position}"


def _written(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refused):
        return {"refused": str(answer.code), "events": []}
    events = [[fact.record.shard, fact.record.position, fact.record.event_hash.hex()] for fact in answer.facts]
    return {"refused": None, "events": events}
