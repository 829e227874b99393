"""Crowd: how many requests of one party a process works on at once, so that nobody takes all of its connections, or of the edge's to it."""

from collections import Counter
from contextlib import ExitStack
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.problems import Problem, register
from shared.journal.decider import Reasons

MOST_OF_ONE = 128  # of the edge's 512 connections to a service


class CrowdReason(Reasons):
    TOO_MANY_AT_ONCE = "too_many_at_once", 429, "Too many concurrent requests of this caller"


register(CrowdReason)

_ENTER = "reserve.enter"  # in a request's scope


class Crowd:
    """ASGI middleware. A request counts from when its token is verified until the application has done with it: a stream until it ends,
    and one whose caller has left for as long as it is still worked on.

    The Reserve's own services count like any other: each asks for a page of each line at a time, over the hundred connections at most that
    httpx keeps (`shared/delivery/sources.py`), and comes again after a refusal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as request:
            scope[_ENTER] = partial(self._enter, request)
            await self._app(scope, receive, send)

    def _enter(self, request: ExitStack, party: str) -> None:
        if self._under_way[party] >= MOST_OF_ONE:
            accepted = f"{MOST_OF_ONE} requests at once"
            raise Problem("too_many_at_once", "wait for their answers", accepted=accepted, headers={"Retry-After": "1"})
        self._under_way[party] += 1
        request.callback(self._leave, party)

    def _leave(self, party: str) -> None:
        self._under_way[party] -= 1
        if not self._under_way[party]:
            del self._under_way[party]


def enter(scope: Scope, party: str) -> None:
    """Counts the request as one of that party, where the application has a Crowd. Raises Problem `too_many_at_once`."""
    if (counted := scope.get(_ENTER)) is not None:
        counted(party)
