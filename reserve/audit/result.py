"""Result: what an audit found, as a document that its auditor signs: each finding with what it is worth, when it was, and who could have.

A finding at an event is worth what the event posts, by the audit's own table; beside it stands what the books hold of the same at the end,
so that a reader sees what is material. Of an event it says when, what kind and whose, and none of what people typed: that can be erased,
and a signed file is not changed.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from reserve.audit.evidence import Evidence, Recorded
from reserve.audit.life import events_of, read_event
from reserve.audit.postings import posted_by
from reserve.audit.report import Check, CheckResult, Cut, Failure, Report
from shared.journal.fingerprint import fingerprint

FORMAT = "reserve.audit_result.v1"
_CODE = (__name__, "reserve.audit.history", "reserve.audit.integrity", "services.allocation.events", "shared.journal.record")

_JOURNAL = "who writes to the tables of the service: no command does this"
_LOG = "who holds the log's key, or writes to the ledger's tables: no command does this"
_BOOKS = "who writes to the ledger's tables, or deploys another build of it: no command does this"
_RULE = "who deploys another build, or writes to the journal and holds the log's key: the services of this build refuse it"
_TAKERS: Mapping[Check, str] = {
    **dict.fromkeys((Check.POSITIONS, Check.SHAPES, Check.EVENT_HASHES, Check.CHAINS, Check.TIMES, Check.STREAMS), _JOURNAL),
    **dict.fromkeys((Check.PARTNER_SEQUENCES, Check.READ_TABLES, Check.KEPT_TABLES, Check.DOCUMENTS, Check.TEXTS), _JOURNAL),
    **dict.fromkeys((Check.EVENTS_IN_LOG, Check.LEAVES_HAVE_EVENTS, Check.FORKS, Check.ROOTS, Check.SIGNATURES, Check.COVERED), _LOG),
    **dict.fromkeys((Check.WITNESSED, Check.WITNESSED_TIMES, Check.HISTORIES, Check.ANCHORS, Check.TILES), _LOG),
    **dict.fromkeys((Check.ENTRIES, Check.POSTINGS, Check.SUMS, Check.OVERDRAFTS, Check.BALANCES), _BOOKS),
}  # all others are rules that a service keeps


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """`asset`: a product, or `contained/ELEMENT`, in grams; or a currency, in minor units. `held`: all of it in the ledger's books."""

    asset: str
    amount: int
    held: int


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """The event at the place of a finding."""

    type: str
    stream: str
    effective_on: str
    recorded_at: str
    actor: str
    command_id: str
    partner: str | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`fails`: else it is listed. `by`: who could have done it."""

    check: str
    fails: bool
    place: str
    what: str
    by: str
    event: Happened | None = None  # None: it is at no event that is covered
    values: tuple[Value, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`origin`: of the log. `audited_at`: UTC. `code`: SHA-256 of the audit's own code and libraries. `first_recorded_at`,
    `last_recorded_at`: of what the cut covers; None: of nothing. `totals`: what the failures are worth together, each event once.
    `uncounted`: failures beyond those that are named here."""

    format: str
    origin: str
    audited_at: str
    code: str
    cut: Cut
    checkpoint: str | None
    ok: bool
    anchored: bool
    events: int
    beyond: int
    first_recorded_at: str | None
    last_recorded_at: str | None
    witnessed: int
    witnessed_at: str | None
    unchecked: int
    looked_at: dict[str, int]  # by check: how much
    findings: tuple[Finding, ...]
    uncounted: int
    totals: tuple[Value, ...]


async def result_of(report: Report, evidence: Evidence, origin: str, audited_at: str) -> Result:
    """The journals are walked once more, up to the cut."""
    named = [(check, fails, each.place, each.what) for check in report.checks for fails, some in _shown(check) for each in some]
    period, records = await _walked(evidence, report.cut, {place for _, _, place, _ in named})
    held = await _held(evidence)
    worth = {place: _worth(service, record, held) for place, (service, record) in records.items()}
    findings = tuple(
        Finding(
            check=check.check,
            fails=fails,
            place=place,
            what=what,
            by=_by(check, fails, records.get(place)),
            event=_happened(records.get(place)),
            values=worth.get(place, ()),
        )
        for check, fails, place, what in named
    )
    failed = {finding.place: finding.values for finding in findings if finding.fails}
    return Result(
        format=FORMAT,
        origin=origin,
        audited_at=audited_at,
        code=fingerprint(_CODE).hex(),
        cut=report.cut,
        checkpoint=report.checkpoint,
        ok=report.ok,
        anchored=report.anchored,
        events=report.events,
        beyond=report.beyond,
        first_recorded_at=min(period, default=None),
        last_recorded_at=max(period, default=None),
        witnessed=report.witnessed,
        witnessed_at=None if report.witnessed_at is None else report.witnessed_at.isoformat(),
        unchecked=report.unchecked,
        looked_at={check.check: check.checked for check in report.checks},
        findings=findings,
        uncounted=sum(check.failed - len(check.failures) for check in report.checks),
        totals=_together([value for values in failed.values() for value in values]),
    )


def _shown(check: CheckResult) -> tuple[tuple[bool, Sequence[Failure]], ...]:
    return (True, check.failures), (False, check.listed)


async def _walked(evidence: Evidence, cut: Cut, places: set[str]) -> tuple[list[str], dict[str, tuple[str, Recorded]]]:
    """(when what is covered was recorded, the first and last of each line; the records at these places, with their service)"""
    period, found = list[str](), dict[str, tuple[str, Recorded]]()
    for line, covered in cut.covers.items():
        service, _, shard = line.partition("/")
        last: Recorded | None = None
        async for record in events_of(evidence, service, int(shard)):
            if record.position > covered:
                break
            if last is None:
                period.append(record.recorded_at)
            last = record
            if (place := record.place(service)) in places:
                found[place] = service, record
        period += [] if last is None else [last.recorded_at]
    return period, found


async def _held(evidence: Evidence) -> Mapping[str, int]:
    """By asset, what somebody has of it."""
    lines = sorted((line for line in await evidence.balances() if line.side == "title" and line.posted > 0), key=lambda line: line.asset)
    return {asset: sum(line.posted for line in some) for asset, some in groupby(lines, key=lambda line: line.asset)}


def _worth(service: str, record: Recorded, held: Mapping[str, int]) -> tuple[Value, ...]:
    """Of each asset the most that the event moves on one side of the books."""
    event = read_event(service, record)
    if event is None:
        return ()
    most: dict[str, int] = {}
    moved: dict[tuple[str, str, str], int] = {}
    for line in posted_by(event):
        key = line.asset, line.side, line.status
        moved[key] = moved.get(key, 0) + max(line.amount, 0)
        most[line.asset] = max(most.get(line.asset, 0), moved[key])
    if not most and (mass_g := getattr(event, "mass_g", None)) and (product := getattr(event, "product", None)):
        most[product] = mass_g  # what allocation awards, inventory posts
    return tuple(Value(asset=asset, amount=amount, held=held.get(asset, 0)) for asset, amount in sorted(most.items()))


def _happened(found: tuple[str, Recorded] | None) -> Happened | None:
    if found is None:
        return None
    _, record = found
    return Happened(
        type=record.type,
        stream=record.stream,
        effective_on=record.effective_on,
        recorded_at=record.recorded_at,
        actor=record.actor,
        command_id=record.command_id,
        partner=record.partner,
    )


def takers(check: Check) -> str:
    """Who could make it fail."""
    return _TAKERS.get(check, _RULE)


def _by(check: CheckResult, fails: bool, found: tuple[str, Recorded] | None) -> str:
    if fails:
        return takers(Check[check.check.upper()])
    return "whoever recorded it" if found is None else f"{found[1].actor}, by a command that the services took"


def _together(values: Sequence[Value]) -> tuple[Value, ...]:
    amounts: dict[str, int] = {}
    for value in values:
        amounts[value.asset] = amounts.get(value.asset, 0) + value.amount
    held = {value.asset: value.held for value in values}
    return tuple(Value(asset=asset, amount=amount, held=held[asset]) for asset, amount in sorted(amounts.items()))
