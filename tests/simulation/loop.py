"""Virtual time: an event loop that never waits. When nothing is ready it jumps to its next timer, so an hour costs what happens in it."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any


class Deadlock(RuntimeError):
    """Nothing is ready and nothing is due: whoever waits now, waits for ever."""


class Endless(RuntimeError):
    """The simulation took more steps than any sound one: something spins."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Time starts at 0 and moves only by jumps. No files, no threads, no signals: all that happens is in the loop, in one order."""

    def __init__(self, *, most_steps: int = 2_000_000) -> None:
        super().__init__()
        self._now = 0.0
        self._steps_left = most_steps
        self._clock_resolution = 1e-9
        self.numbers = count()  # for its tasks
        self._selector = self  # BaseEventLoop asks its selector to wait

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Endless(f"at {self._now:.3f} s of virtual time")
        if timeout is None:
            raise Deadlock("\n".join(sorted(_described(task) for task in asyncio.all_tasks(self))))
        if timeout > 0:
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError("a thread would bring back real time")


async def rest(delay: float) -> None:
    """As `asyncio.sleep`, for less: there are tens of thousands of waits in a seed."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(delay, _over, future)
    await future


def _over(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _described(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    where = f"{frames[-1].f_code.co_qualname}:{frames[-1].f_lineno}" if frames else "its end"
    return f"{task.get_name()} waits in {where}"


def run[T](main: Callable[[], Coroutine[Any, Any, T]], *, most_steps: int = 2_000_000) -> T:
    """Runs a coroutine in a loop of its own, to its end; whatever it left behind is cancelled.

    The cycle collector stands still meanwhile: what it finalizes, and when, would not be the same in two runs.
    """
    collecting = gc.isenabled()
    gc.disable()
    loop = VirtualLoop(most_steps=most_steps)
    loop.set_exception_handler(lambda _loop, _context: None)  # the world looks at its tasks itself
    try:
        return loop.run_until_complete(main())
    finally:
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(_ended(left))
        loop.close()
        if collecting:
            gc.enable()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
