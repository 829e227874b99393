"""Weighing: who alone weighed goods did not dispatch them; and what the draws of a product weigh more or less than they are, each of them
within what a scale is wrong by, does not go to one side without another person's signature.

In force from the first weighing that says who weighed; what was done before is listed.
"""

from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.tolerances import Tolerances, is_one
from services.inventory.events import DrawDispatched, DrawReturned, DrawWeighed, DrawWeighedAgain, WeighingToleranceSet
from shared.terms.apart import Apart
from shared.terms.countersigning import CommandApproved

_BLOCK = 500  # draws; the last one to two blocks are summed
_SURE = 4


class _Sum(msgspec.Struct):
    """Of a block of draws."""

    draws: int = 0
    out_g: int = 0
    squares: int = 0  # of the grams that a scale may be wrong by


class _Weighed(msgspec.Struct):
    """A draw."""

    by: set[str]
    named: bool
    out_g: int | None  # None: further than a scale is wrong


class Weighing:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._draws: dict[tuple[str, str], _Weighed] = {}  # (stream, draw) -> here, and weighed
        self._sums: dict[str, list[_Sum]] = {}  # stream -> the block before, and this one
        self._signed: dict[str, tuple[str, str]] = {}  # stream -> the command that was signed last, and who proposed it
        self._in_force = False
        self._tolerances = Tolerances()

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._tolerances.see(event)
        if isinstance(event, DrawWeighed | DrawWeighedAgain) and not self._tolerances.names_its_scale(event):
            where = "no scale that it names" if event.scale is None else f"{event.scale}, which has no tolerance here"
            self._findings.look(Check.CONTROL, False, place, f"{event.draw} was weighed on {where}")
        match event:
            case WeighingToleranceSet():
                what = f"a tolerance of {event.tolerance} is wider than scales are wrong, or of both a contract and a scale"
                self._findings.look(Check.CONTROL, is_one(event), place, what)
            case CommandApproved():
                self._signed[record.stream] = record.command_id, event.proposed_by
            case DrawWeighed():
                self._weigh(place, record, event)
            case DrawWeighedAgain():
                by = {event.first_by, event.weighed_by}
                self._add(record, event, _Weighed(by, self._in_force, self._out_g(event)))
            case DrawReturned():
                self._draws.pop((record.stream, event.draw), None)
            case DrawDispatched():
                self._dispatch(place, record, self._draws.pop((record.stream, event.draw), None))
            case _:
                pass

    def _weigh(self, place: str, record: Recorded, event: DrawWeighed) -> None:
        signed = self._signed.get(record.stream)
        proposed_by = signed[1] if signed is not None and signed[0] == record.command_id else None
        self._in_force = self._in_force or event.weighed_by is not None
        by = event.weighed_by or proposed_by or record.actor
        if self._in_force:
            somebody = event.weighed_by is not None or proposed_by is not None
            self._findings.look(Check.CONTROL, somebody, place, f"nothing says who has weighed {event.draw}")
        together_g = self._add(record, event, _Weighed({by}, event.weighed_by is not None, self._out_g(event)))
        what = f"{event.draw}, and the draws before it, weigh {together_g} g more than they are, together"
        if together_g is not None and proposed_by is None:
            self._findings.under_rule(Check.CONTROL, self._in_force, place, f"{what}, and nobody else has signed that")
        if event.together_g is not None:
            self._findings.look(Check.CONTROL, together_g == event.together_g, place, f"{what}, and it says {event.together_g} g")
            self._findings.list_it(Check.CONTROL, place, f"{what}, as another person has signed")
            self._sums.pop(record.stream, None)

    def _add(self, record: Recorded, event: DrawWeighed | DrawWeighedAgain, now: _Weighed) -> int | None:
        """What the last draws are out by together, if this one takes them further than scales do."""
        key, allowed_g = (record.stream, event.draw), self._tolerances.grams(event)
        before, here = self._sums.setdefault(record.stream, [_Sum(), _Sum()])
        was, self._draws[key] = self._draws.get(key), now
        was_g = before.out_g + here.out_g
        had_g = None if was is None else was.out_g
        change_g = (now.out_g or 0) - (had_g or 0)
        if had_g is None and now.out_g is not None:
            if here.draws == _BLOCK:
                before, here = here, _Sum()
                self._sums[record.stream] = [before, here]
            here.draws += 1
            here.squares += allowed_g**2
        here.out_g += change_g
        out_g = before.out_g + here.out_g
        further = now.out_g is not None and abs(out_g) > abs(was_g)
        return out_g if further and out_g**2 > _SURE**2 * (before.squares + here.squares) else None

    def _out_g(self, event: DrawWeighed | DrawWeighedAgain) -> int | None:
        out_g = event.weighed_g - event.mass_g
        return out_g if abs(out_g) <= self._tolerances.grams(event) else None

    def _dispatch(self, place: str, record: Recorded, weighed: _Weighed | None) -> None:
        if weighed is None:
            return
        at = instant(record)
        alone = all(self._approvers.same(record.actor, (each,), at) for each in weighed.by)
        if alone:
            self._findings.under_rule(Check.CONTROL, weighed.named, place, f"{record.actor} is {Apart.DISPATCHES.than}: {Apart.DISPATCHES}")
        else:
            self._findings.looked(Check.CONTROL, 1)
