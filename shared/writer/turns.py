"""Turns: what waits for one shard. Its clients take turns, so that who sends more than can be decided waits behind itself."""

import asyncio
from collections import deque
from collections.abc import Sequence

from shared.writer.batch import Pending
from shared.writer.commands import Overloaded, TooManyWaiting


class _Client:
    """One that has something waiting, over however many connections it came, or still has turns to let the others have."""

    __slots__ = ("ahead", "commands", "name", "turns")

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns: deque[tuple[Sequence[Pending], int]] = deque()
        self.commands = 0  # waiting
        self.ahead = 0  # turns that its last one was longer than a command: it lets the others have as many


class Turns:
    """Commands in the order in which they are decided: a turn of each client, and each client's own as they came."""

    def __init__(self, limit: int) -> None:
        """`limit`: commands that may wait. A client may have as many waiting as there is room left, so the others always find some: one
        alone half of it, two a third each."""
        self.commands = 0
        self._limit = limit
        self._clients: dict[str, _Client] = {}
        self._order: deque[_Client] = deque()  # the next one first
        self._some = asyncio.Event()

    def put(self, client: str, turn: Sequence[Pending], commands: int = 1) -> None:
        """Commands that are decided in one turn. `client` "": the service itself, to which only the limit applies.

        Raises Overloaded, TooManyWaiting.
        """
        self.ask(client, commands)
        if (known := self._clients.get(client)) is None:
            known = self._clients[client] = _Client(client)
            self._order.append(known)
        known.turns.append((turn, commands))
        known.commands += commands
        self.commands += commands
        self._some.set()

    def ask(self, client: str, commands: int) -> None:
        """Whether there is room for so many now. Raises Overloaded, TooManyWaiting."""
        room = self._limit - self.commands
        if commands > room:
            raise Overloaded(f"{self.commands} commands wait already")
        if client and (known := self._clients.get(client)) is not None and known.commands + commands > room:
            raise TooManyWaiting(f"{known.commands} commands of this client wait already")

    def take(self) -> tuple[Sequence[Pending], int]:
        """The next turn, and how many commands it has. There must be some."""
        order = self._order
        while True:
            client = order[0]
            if client.ahead and self.commands > client.commands:  # others wait
                client.ahead -= 1
                order.rotate(-1)
            elif client.turns:
                break
            else:
                self._forget()
        turn, commands = client.turns.popleft()
        client.commands -= commands
        self.commands -= commands
        client.ahead = max(client.ahead, commands - 1)
        if client.turns or client.ahead:  # who has none waiting for a moment owes the others as many as before
            order.rotate(-1)
        else:
            self._forget()
        if not self.commands:
            self._some.clear()
        return turn, commands

    def _forget(self) -> None:
        """The first in the order."""
        del self._clients[self._order.popleft().name]

    def taken(self, limit: int) -> list[Pending]:
        """The turns that come next, up to so many commands; the last one is not cut."""
        batch: list[Pending] = []
        count = 0
        while count < limit and self.commands:
            turn, commands = self.take()
            batch += turn
            count += commands
        return batch

    async def some(self) -> None:
        """Until something waits."""
        await self._some.wait()
