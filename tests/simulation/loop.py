"""Virtual time: an event loop that never waits. When nothing is ready it jumps to its next timer, so an hour costs what happens in it."""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any

CLOCK_RESOLUTION = 1e-9  # of what is due within it, nothing waits for another step


class Deadlock(RuntimeError):
    """Nothing is ready and nothing is due: whoever waits now, waits for ever."""


class Endless(RuntimeError):
    """The simulation took more steps than any sound one: something spins."""


class Call(float):
    """What the loop is to call, at a time: a handle that compares as its time does, without a step of Python."""

    __slots__ = ("arguments", "callback", "context")

    callback: Callable[..., object] | None
    arguments: tuple[Any, ...]
    context: Context

    def cancel(self) -> None:
        self.callback = None
        self.arguments = ()


class VirtualLoop(asyncio.BaseEventLoop):
    """Time starts at 0 and moves only by jumps. No files, no threads, no signals: all that happens is in the loop, in one order.

    What a step costs is most of what a seed costs: hence its own handles and steps, which do what those of `BaseEventLoop` do.
    """

    _ready: deque[Call]
    _scheduled: list[Call]  # a heap

    def __init__(self, *, most_steps: int = 2_000_000) -> None:
        super().__init__()
        self._now = 0.0
        self._steps_left = most_steps
        self.numbers = count()  # for its tasks

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        call = Call(self._now)
        call.callback, call.arguments, call.context = callback, arguments, copy_context() if context is None else context
        self._ready.append(call)
        return call

    def call_at(self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        call = Call(when)
        call.callback, call.arguments, call.context = callback, arguments, copy_context() if context is None else context
        heappush(self._scheduled, call)
        return call

    def call_later(self, delay: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        return self.call_at(self._now + delay, callback, *arguments, context=context)

    def _run_once(self) -> None:
        """Step by step, until it is told to stop: calls what is ready; if nothing is, what is due next."""
        ready, scheduled = self._ready, self._scheduled
        while True:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise Endless(f"at {self._now:.3f} s of virtual time")
            while scheduled and scheduled[0].callback is None:
                heappop(scheduled)
            if not ready and not self._stopping:
                if not scheduled:
                    raise Deadlock("\n".join(sorted(_described(task) for task in asyncio.all_tasks(self))))
                self._now = max(self._now, float(scheduled[0]))
            while scheduled and scheduled[0] < self._now + CLOCK_RESOLUTION:
                ready.append(heappop(scheduled))
            for _ in range(len(ready)):
                call = ready.popleft()
                if call.callback is not None:
                    try:
                        call.context.run(call.callback, *call.arguments)
                    except Exception as error:  # noqa: BLE001 - as any event loop does
                        self.call_exception_handler({"message": "a callback failed", "exception": error})
            if self._stopping:
                return

    call_soon_threadsafe = call_soon  # there are no threads

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        """Nobody asks for those that are left."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError("a thread would bring back real time")


def rest(delay: float) -> asyncio.Future[None]:
    """As `asyncio.sleep`, for less: there are tens of thousands of waits in a seed."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(delay, _over, future)
    return future


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
