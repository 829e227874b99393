"""`reserve audit decide`: a past decision, worked out again by the code that decides rounds, by another policy or with other facts."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reserve.audit.evidence import Evidence
from reserve.audit.life import events_of, read_event
from reserve.audit.telling import printable
from reserve.commands.backtest import read_policy
from reserve.commands.bundle import opened, read_from
from reserve.commands.failure import CHECK_FAILED, fail
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.decision import Claimant, DecisionFile, PublishedPool, UnreadableDecision, read_file
from services.allocation.domain.decisions.holdings import Units
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.domain.policies.backtest import BacktestResult, Case, Given, NotDecided, case_of, decide_again
from services.allocation.domain.policies.backtest_text import tonnes
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events import RoundOpened, RoundProposed, TenderProposed
from services.allocation.events.policies import PolicyTerms
from services.allocation.events.rounds import RoundMethod
from shared.journal.record import MAX_INTEGER

_WIDTH = 100  # of a table, at least: ids are 30 characters long
FACTS = ("accepted_g", "minimum_g", "daily_consumption_g", "priority_class")  # of a request, that may be others


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as a bundle has it. `method`: with the caps of single partners, which its file does not say."""

    decision: str
    file: DecisionFile
    on: date
    method: RoundMethod

    @property
    def case(self) -> Case:
        return case_of(self.file, self.on)

    @property
    def policy(self) -> str:
        terms = self.file.decision.terms
        return f"{terms.policy} v{terms.policy_version}, {terms.rule}"


class Redone(msgspec.Struct, frozen=True, kw_only=True):
    """`decided`: what was decided; `now`: what it comes to with `changes`, none of which were asked for where it is empty."""

    decision: str
    round: str
    product: str
    on: date
    policy: str
    changes: tuple[str, ...]
    decided: BacktestResult
    now: BacktestResult


def redone(decision: str, bundle: Path, policy: Path | None, facts: Sequence[str]) -> Redone:
    """Ends the command for a decision that is not in the bundle, or is not what its file comes to, and for what no rule takes."""
    held = read_from(held_decision(opened(bundle), decision))
    asked = None if policy is None else read_policy(policy)
    try:
        return decide(held, asked, facts)
    except ValueError as error:  # of the round as it was opened: a share that is no number
        fail(f"BUNDLE: {held.decision}: it cannot be worked out again: {printable(str(error))}")


def decide(held: Held, policy: tuple[str, PolicyTerms] | None, facts: Sequence[str] = ()) -> Redone:
    """`policy`: its name and terms. `facts`: each as "req_01j...=accepted_g=50000", or "lots=5000000=12" for the units of a pool. Ends the
    command as `redone` does."""
    own = msgspec.structs.replace(STANDARD_TERMS, method=held.method)
    decided = decide_again(held.case, own)
    if (differs := _difference(held.file, decided)) is not None:
        fail(f"{held.decision}: not what its file comes to: {printable(differs)} (`reserve audit verify` says more)", CHECK_FAILED)
    assert isinstance(decided, BacktestResult), "it equals what was decided"
    case = held.case
    for fact in facts:
        case = _with(case, fact)
    name, terms = policy or ("", own)
    now = decide_again(case, terms)
    if isinstance(now, NotDecided):
        fail(f"{'--policy' if policy else '--with'}: nothing is decided so: {printable(now.why)} (accepted: what rules take)")
    changes = [*([f"by policy {name}, {terms.method.rule}"] if policy else []), *(f"with {fact}" for fact in facts)]
    return Redone(
        decision=held.decision,
        round=held.file.decision.terms.round,
        product=held.file.decision.terms.product,
        on=held.on,
        policy=held.policy,
        changes=tuple(changes),
        decided=decided,
        now=now,
    )


async def held_decision(evidence: Evidence, name: str) -> Held:
    """`name`: the decision's SHA-256, or the round's id, of which the last that was proposed is meant. Ends the command for another."""
    found: tuple[RoundProposed, str] | None = None
    async for event, day in _naming(evidence, name):
        if isinstance(event, TenderProposed):
            fail("DECISION: it is a tender's, which goes by bids and by no policy (accepted: a round's)")
        if isinstance(event, RoundProposed) and name in (event.decision, event.round):
            found = event, day
    if found is None:
        fail(f"DECISION: no round in the bundle has it: {printable(name)} (accepted: a decision's SHA-256, or rnd_01j...)")
    proposed, day = found
    content = await evidence.document("allocation", proposed.file)
    if content is None:
        fail(f"DECISION: its file, {printable(proposed.file)}, is not in the bundle")
    try:
        file = read_file(content)
    except UnreadableDecision as error:
        fail(f"DECISION: its file does not read as a decision: {printable(str(error))}", CHECK_FAILED)
    if sha256(content).hexdigest() != proposed.file or decision_hash(file) != proposed.decision:
        fail("DECISION: its file in the bundle is of another decision", CHECK_FAILED)
    round = [
        event async for event, _ in _naming(evidence, proposed.round) if isinstance(event, RoundOpened) and event.round == proposed.round
    ]
    if not round:
        fail(f"DECISION: the bundle does not say how {printable(proposed.round)} was opened", CHECK_FAILED)
    try:
        on = date.fromisoformat(day)
    except ValueError:
        fail(f"BUNDLE: the decision counts for no day: {printable(day)}")
    return Held(decision=proposed.decision, file=file, on=on, method=round[0].method)


async def _naming(evidence: Evidence, name: str) -> AsyncIterator[tuple[Any, str]]:
    """(event, its day) of each of allocation's that may name it; one that does not read is passed over."""
    sought = name.encode()
    for shard in sorted(await evidence.heads("allocation")):
        async for record in events_of(evidence, "allocation", shard):
            if sought in record.data and record.type.startswith(("allocation.round_", "allocation.tender_")):
                event = read_event("allocation", record)
                if event is not None:
                    yield event, record.effective_on


def _difference(file: DecisionFile, again: BacktestResult | NotDecided) -> str | None:
    if differences := recompute(file):
        return f"{differences[0].where}: {differences[0].words}"
    if isinstance(again, NotDecided):
        return again.why
    awards_g = {line.content.claimant.request: line.content.award_g for line in file.lines}
    for each in again.given:
        if awards_g[each.request] != each.award_g:
            return f"{each.request} got {awards_g[each.request]} g, worked out again {each.award_g} g"
    return None


def _with(case: Case, fact: str) -> Case:
    """The case with one thing in it otherwise."""
    name, _, rest = fact.partition("=")
    field, _, text = rest.partition("=")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_INTEGER):
        fail(f"--with: {printable(fact)!r} is no fact (accepted: request=field=number, or pool=unit_g=units)")
    if name in {each.request for each in case.claimants}:
        if field not in FACTS:
            fail(f"--with: a request has no {printable(field)!r} that could be another (accepted: {', '.join(FACTS)})")
        changed = (_asking(each, field, int(text)) if each.request == name else each for each in case.claimants)
        return msgspec.structs.replace(case, claimants=tuple(changed))
    if name not in {pool.pool for pool in case.pools}:
        known = [*(each.request for each in case.claimants), *(pool.pool for pool in case.pools)]
        fail(f"--with: {printable(name)!r} is in no line of the decision (accepted: {', '.join(known[:20])})")
    if not (field.isascii() and field.isdigit() and len(field) < 20 and 1 <= int(field) <= MAX_INTEGER):
        fail(f"--with: {printable(field)!r} is no unit of a pool, in grams (accepted: such as {name}=5000000=12)")
    pools = (_offering(pool, int(field), int(text)) if pool.pool == name else pool for pool in case.pools)
    return msgspec.structs.replace(case, pools=tuple(pools))


def _asking(claimant: Claimant, field: str, value: int) -> Claimant:
    """What was accepted is within what was asked; a quota that did not bind goes with it."""
    changed = msgspec.structs.replace(claimant, **{field: value})
    if field != "accepted_g":
        return changed
    bound = isinstance(claimant.cap_g, int) and claimant.cap_g < claimant.accepted_g
    cap_g = claimant.cap_g if bound or not isinstance(claimant.cap_g, int) else value
    return msgspec.structs.replace(changed, asked_g=max(value, claimant.asked_g), cap_g=cap_g)


def _offering(pool: PublishedPool, unit_g: int, units: int) -> PublishedPool:
    counts = {each.unit_g: each.units for each in pool.offered} | {unit_g: units}
    return msgspec.structs.replace(pool, offered=tuple(Units(unit_g=size, units=counts[size]) for size in sorted(counts, reverse=True)))


def show(found: Redone, seconds: float) -> None:
    title, caption = f"{found.product}, {found.on}, by policy {found.policy}", ", ".join(found.changes)
    table = Table(title=_plain(title), caption=_plain(caption), box=box.SIMPLE_HEAD)
    for column in ("request", "partner"):
        table.add_column(column, no_wrap=True)
    for column in ("claim", "decided", "days", "now", "days", "more"):
        table.add_column(column, justify="right", no_wrap=True)
    for before, after in _pairs(found):
        days = [_plain(each.days_of_cover or "-") for each in (before, after)]
        more = _more(after.award_g - before.award_g)
        claim, was, now = (tonnes(mass_g) for mass_g in (after.claim_g, before.award_g, after.award_g))
        table.add_row(_plain(before.request), _plain(before.partner), claim, was, days[0], now, days[1], more)
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table)
    for line in sentences(found):
        console.print(printable(line), soft_wrap=True, markup=False, highlight=False)
    console.print(f"worked out in {seconds:.1f} s", highlight=False)


def _plain(text: str) -> str:
    """What a bundle says is no markup of ours."""
    return escape(printable(text))


def sentences(found: Redone) -> Iterator[str]:
    """What it comes to, in words."""
    before, now = found.decided, found.now
    if not found.changes:
        yield f"Worked out again, decision {found.decision} of {found.round} is what was decided."
        return
    yield f"The decision of {found.round} was made by policy {found.policy}; {' and '.join(found.changes)}:"
    changed = [(was, would) for was, would in _pairs(found) if was.award_g != would.award_g]
    for was, would in changed:
        days = "" if would.days_of_cover is None else f", which buys {would.days_of_cover} days and not {was.days_of_cover or 'none'}"
        yield f"{would.partner} would have got {tonnes(would.award_g)} and not {tonnes(was.award_g)}{days}."
    if not changed:
        yield "everybody would have got the same."
    yield (
        f"All awards together would buy {now.days_total} days and not {before.days_total}, the shortest of them {now.days_least} and not "
        f"{before.days_least}; {tonnes(now.unused_g)} would be left, and {tonnes(before.unused_g)} were."
    )


def _more(mass_g: int) -> str:
    return "" if not mass_g else f"{'+' if mass_g > 0 else '-'}{tonnes(abs(mass_g))}"


def _pairs(found: Redone) -> Iterator[tuple[Given, Given]]:
    """Each request's part as decided, and now."""
    after = {each.request: each for each in found.now.given}
    return ((each, after[each.request]) for each in found.decided.given)
