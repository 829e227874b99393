"""A history that witnesses saw at noon, and what comes late, or while nobody looks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reserve.audit.report import Report
from services.inventory import events as inventory
from shared.clock import written
from shared.terms.reach import STREAM
from tests.stories.audit import Step, Told, draw, failures, stock, told
from tests.stories.vouching import GENEVA, POLICY, TOKYO

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)  # after the story


def at(minute: float) -> str:
    return written(NOON + timedelta(minutes=minute))


class Late:
    """A history that is witnessed at noon, and what comes after it. `reporting`: its inventory says from the first on what is reached."""

    def __init__(self, folder: Path, *, reporting: bool = True) -> None:
        self.history = Told(told(), folder)
        if reporting:
            self.says("begun", 0, reached=True)
        self.witnessed(0)

    def witnessed(self, minute: float) -> None:
        self.history.seal(f"signed at {minute}", Step())
        moment = NOON + timedelta(minutes=minute)
        self.history.witness(f"witnessed at {minute}", TOKYO, GENEVA, at=int(moment.timestamp()))

    def drawn(self, name: str, minute: float, shard: int = 1) -> None:
        step = stock(draw(10, 20, draw=f"drw_{name}"))
        self.history.seal(name, Step(event=step.event, stream=f"stockpile/{name}", shard=shard, at=at(minute)))

    def says(self, name: str, minute: float, **said: Any) -> None:
        self.history.seal(name, Step(event=inventory.LogReachReported(**said), stream=STREAM, at=at(minute)))

    def cut_off(self, name: str, minute: float, since: float) -> None:
        self.says(name, minute, reached=False, since=NOON + timedelta(minutes=since), after={"0": self.head(0), "1": self.head(1)})

    def reached(self, name: str, minute: float, since: float, after: dict[str, int]) -> None:
        until = {"0": self.head(0), "1": self.head(1)}
        self.says(name, minute, reached=True, since=NOON + timedelta(minutes=since), after=after, until=until)

    def head(self, shard: int) -> int:
        return len(self.history.journals["inventory", shard])

    async def found(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The places that fail, and those that are listed after the story, with what is said of them."""
        report: Report = await self.history.audited(policies=[POLICY])
        [times] = [result for result in report.checks if result.check == "witnessed_times"]
        assert times.failed == len(failures(report).get("witnessed_times", ()))
        listed = [(each.place, each.what) for each in times.listed if "before witnesses first saw" not in each.what]
        return [each.place for each in times.failures], listed
