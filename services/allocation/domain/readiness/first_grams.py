"""First grams: how soon an agreement's product could be with its consignee, if it were asked for on a day, and what it waits for.

What is not cleared is begun that day, all of it at once, so the slowest decides; then come dispatch and transport. An item counts if it
still holds on the day that the goods would leave: one that ends before is begun anew, too.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, get_args

import msgspec

from services.allocation.events.readiness import ItemKind

KINDS: tuple[ItemKind, ...] = get_args(ItemKind.__value__)


class Lead(msgspec.Struct, frozen=True):
    """How long it usually takes. Working days are Monday to Friday: public holidays differ by who decides, and come on top."""

    days: int
    working: bool = False

    def after(self, on: date) -> date:
        if not self.working:
            return on + timedelta(days=self.days)
        day, left = on, self.days
        while left:
            day += timedelta(days=1)
            left -= day.weekday() < 5
        return day

    def __str__(self) -> str:
        return f"{self.days} {'working ' if self.working else ''}days"


class ClearedItem(msgspec.Struct, frozen=True, kw_only=True):
    kind: ItemKind
    name: str
    until: date | None  # None: for good


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of which nothing holds when the goods would leave."""

    kind: ItemKind
    status: Literal["missing", "expired", "expires"]  # expires: it holds now, and not then
    name: str | None  # of what lasted longest
    until: date | None
    lead: Lead
    ready_on: date

    def __str__(self) -> str:
        said = {"missing": f"no {self.kind} is cleared"}.get(self.status, f"the {self.kind} {self.name} {self._ends()} on {self.until}")
        return f"{said} ({self.lead})"

    def _ends(self) -> str:
        return "expired" if self.status == "expired" else "expires"


class FirstGrams(msgspec.Struct, frozen=True, kw_only=True):
    on: date  # asked for
    causes: tuple[Cause, ...]  # the slowest first
    ready_on: date
    leaves_on: date
    arrives_on: date

    @property
    def days(self) -> int:
        return (self.arrives_on - self.on).days

    def __str__(self) -> str:
        why = f"because {'; '.join(map(str, self.causes))}" if self.causes else "since all is cleared"
        return f"first grams in {self.days} days, {why}"


def first_grams(
    cleared: Sequence[ClearedItem], leads: Mapping[ItemKind, Lead], on: date, *, dispatch_days: int, transport_days: int
) -> FirstGrams:
    """`leads`: of each kind that the product needs. The later the goods leave, the more has ended by then: so it is looked at until the day
    stays, which it does, as each kind can move it once."""
    ready_on = on
    while True:
        leaves_on = ready_on + timedelta(days=dispatch_days)
        causes = [cause for kind, lead in leads.items() if (cause := _cause(kind, lead, cleared, on, leaves_on)) is not None]
        latest = max((cause.ready_on for cause in causes), default=on)
        if latest <= ready_on:
            break
        ready_on = latest
    return FirstGrams(
        on=on,
        causes=tuple(sorted(causes, key=lambda cause: (-cause.ready_on.toordinal(), KINDS.index(cause.kind)))),
        ready_on=ready_on,
        leaves_on=leaves_on,
        arrives_on=leaves_on + timedelta(days=transport_days),
    )


def _cause(kind: ItemKind, lead: Lead, cleared: Sequence[ClearedItem], on: date, leaves_on: date) -> Cause | None:
    of_kind = [item for item in cleared if item.kind == kind]
    if any(item.until is None or item.until >= leaves_on for item in of_kind):
        return None
    ready_on = lead.after(on)
    if not of_kind:
        return Cause(kind=kind, status="missing", name=None, until=None, lead=lead, ready_on=ready_on)
    last = max(of_kind, key=lambda item: (item.until or date.max, item.name))
    status: Literal["expired", "expires"] = "expired" if last.until is not None and last.until < on else "expires"
    return Cause(kind=kind, status=status, name=last.name, until=last.until, lead=lead, ready_on=ready_on)
