"""The counter of the kernel's tests, a build later: what is added has a reason, so `counter.added` has a second version."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.journal.connection import Connection
from shared.journal.decider import Decider, Refused
from shared.journal.record import Fact
from shared.process.service import Service
from tests.kernel import counter
from tests.kernel.counter import Add, Closed, ClosingSet, Command, Counter, Noted, Reason, Taken

NOT_SAID = "not said"  # of what the build before has added


class AddedV2(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.added.v2"):
    counter: str
    amount: int
    reason: str
    partner: str | None = None


type Event = AddedV2 | Taken | Noted | ClosingSet | Closed


def from_v1(shape: dict[str, Any]) -> dict[str, Any]:
    return {**shape, "type": "counter.added.v2", "reason": NOT_SAID}


UPCASTERS = {"counter.added.v1": from_v1}


def decide(command: Command, state: Counter) -> list[Any] | Refused[Reason]:
    decided = counter.decide(command, state)
    if isinstance(decided, Refused) or not isinstance(command, Add):
        return decided
    return [AddedV2(counter=each.counter, amount=each.amount, partner=each.partner, reason="asked for") for each in decided]


def as_before(event: Any) -> Any:
    return counter.Added(counter=event.counter, amount=event.amount, partner=event.partner) if isinstance(event, AddedV2) else event


def evolve(state: Counter, event: Event) -> Counter:
    return counter.evolve(state, as_before(event))


async def project(connection: Connection, facts: Sequence[Fact]) -> None:
    await counter.project(connection, [msgspec.structs.replace(fact, event=as_before(fact.event)) for fact in facts])


DECIDER = Decider(
    kind="counter",
    initial=Counter(),
    commands=Command,
    decide=decide,
    evolve=evolve,
    timers=lambda event: counter.timers(as_before(event)),
)


def newer(service: Service, epoch: int = 1) -> Service:
    """The same service of the next build."""
    return msgspec.structs.replace(service, deciders=(DECIDER,), event_type=Event, upcasters=UPCASTERS, project=project, epoch=epoch)
