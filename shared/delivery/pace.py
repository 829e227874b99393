"""Pace: at most one turn in a given time, so that under load many small things are done as one. Whoever has been idle begins at once."""

import asyncio


class Pace:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._not_before = 0.0

    async def turn(self) -> None:
        """Waits until `seconds` have gone since the last turn began."""
        clock = asyncio.get_running_loop().time
        if (left := self._not_before - clock()) > 0:
            await asyncio.sleep(left)
        self._not_before = clock() + self.seconds

    def slow_down(self, seconds: float) -> None:
        """The next turn is in no less time than this."""
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)
