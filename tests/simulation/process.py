"""Process: one running copy of a service. It may die between any two steps; then nothing of it has any effect any more."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

from tests.simulation.chance import Chance, Fault
from tests.simulation.loop import VirtualLoop

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


class _Numbered(asyncio.Task[Any]):
    """A task group keeps its tasks in a set, and ends them in the set's order: by number, not by where memory happened to be free."""

    def __init__(self, number: int, *arguments: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number


def adopting(loop: VirtualLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """The loop's task factory: a task that a process's task makes is the process's too, and dies with it."""
    task = _Numbered(next(loop.numbers), work, loop=loop, **options)
    if (process := _CURRENT.get()) is not None:
        process.adopt(task)
    return task


def current() -> str:
    """The name of the process that is at work now."""
    process = _CURRENT.get()
    return process.name if process is not None else "world"


class Process:
    def __init__(self, name: str, chance: Chance) -> None:
        self.name = name
        self.chance = chance
        self.alive = True
        self.paused_until = 0.0
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._at_death: dict[int, Callable[[], None]] = {}
        self._calls = 0

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(_CURRENT.set, self)
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name}.{name}", context=context)
        self.adopt(task)
        return task

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self.tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)

    def note(self, what: str) -> None:
        self.chance.note(self.name, what)

    def fault(self, fault: Fault, what: str = "") -> None:
        self.chance.fault(fault, self.name, what)

    def die(self) -> None:
        """As kill -9: memory is gone, and what the engines held for it they find out about."""
        if not self.alive:
            return
        self.alive = False
        for task in list(self.tasks):
            task.cancel()
        for found_out in list(self._at_death.values()):
            found_out()

    async def ended(self) -> None:
        """Waits until the last of its tasks has ended."""
        while self.tasks:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.sleep(0)

    def at_death(self, action: Callable[[], None]) -> Callable[[], None]:
        """Has the engines notice; gives what takes that back."""
        self._calls += 1
        number = self._calls
        self._at_death[number] = action
        return lambda: self._at_death.pop(number, None) and None

    # How every call of an engine goes out and comes back

    async def out(self, what: str) -> None:
        """On its way there: it may be long, and the process may not live to see it arrive."""
        self.check()
        self.note(what)
        await self._on_the_way(Fault.DIES_BEFORE, what)

    async def back(self, what: str) -> None:
        await self._on_the_way(Fault.DIES_AFTER, what)

    async def _on_the_way(self, fault: Fault, what: str) -> None:
        chance = self.chance
        await chance.latency()
        if self.paused_until:
            await self._stand_still()
        if self.alive and chance.happens(chance.rates.dies_at_call):
            self.fault(fault, what)
            self.die()
        self.check()

    async def _stand_still(self) -> None:
        now = asyncio.get_running_loop().time
        while self.alive and now() < self.paused_until:  # noqa: ASYNC110
            await asyncio.sleep(min(0.5, self.paused_until - now()))

    def check(self) -> None:
        if not self.alive:
            raise asyncio.CancelledError(f"{self.name} is dead")
