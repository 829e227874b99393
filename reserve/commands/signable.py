"""What an approver may sign: the documents that the services keep of what is proposed, each with its purpose, its hash and a few words
that say what it is. A file that says more than is understood here is not signed.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, assert_never

import msgspec
from msgspec import UNSET

from reserve.commands.signable_partners import WORDS as PARTNERS
from services.allocation.domain.decisions.contradictions import not_compared
from services.allocation.domain.decisions.decision import DecisionFile, PublishedPool, UnreadableDecision, read_file
from services.allocation.domain.decisions.difference import NotCompared
from services.allocation.domain.decisions.holdings import PartnerTerms
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.domain.tenders.contradictions import tender_not_compared
from services.allocation.domain.tenders.decision import PURPOSE as TENDER
from services.allocation.domain.tenders.decision import TenderFile, UnreadableTender, read_tender_file, tender_decision_hash
from services.allocation.events.papers import ActingOfficerPaper, EnrolmentPaper, InstrumentPaper, PersonPaper
from services.allocation.events.policies import PolicyDocument
from services.loans.domain.papers import DeferralPaper, HoldingPaper, LoanActPaper, LoanPaper, MaterialTermsPaper, WriteDownPaper
from services.loans.events.terms import (
    Accelerate,
    AmendCondition,
    EndEnforcement,
    Guarantor,
    LoanTerms,
    Refund,
    Reinstate,
    Restructure,
    ScheduleTerms,
    Syndicated,
    WaiveCondition,
    WaiveCovenant,
    WriteOff,
)
from shared.journal.record import canonical
from shared.terms.countersigning import CommandPaper
from shared.terms.currencies import money
from shared.terms.papers import Paper, UnreadablePaper, read_paper

TENDER_FORMAT = "reserve.tender_decision.v1"


class Signable(msgspec.Struct, frozen=True, kw_only=True):
    """`decision`: a round's or a tender's, the only kinds that can be computed anew, which is done before it is signed."""

    purpose: str
    document: str  # SHA-256, hex
    words: tuple[tuple[str, str], ...]
    under_instrument: bool = True
    decision: DecisionFile | TenderFile | None = None


class NotSignable(ValueError):
    """The bytes are no document that anybody approves."""


def read_signable(content: bytes) -> Signable:
    """Any spelling of a document, as its API gave it. Raises `NotSignable`."""
    try:
        if (read := read_paper(content, _WORDS)) is not None:
            paper, written = read
            return Signable(
                purpose=paper.purpose,
                document=sha256(written).hexdigest(),
                words=tuple(_WORDS[type(paper)](paper)),
                under_instrument=not isinstance(paper, _UNDER_NONE),
            )
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnreadablePaper) as error:
        raise NotSignable(str(error)) from error
    if not isinstance(found, dict):
        raise NotSignable("no document that is approved")
    if _format_of(found) == TENDER_FORMAT:
        return _tender(content)
    try:
        decision = read_file(content)
    except UnreadableDecision as error:
        raise NotSignable(f"no document that is approved; as a decision: {error}") from error
    return Signable(purpose="decision", document=decision_hash(decision), words=tuple(_of_decision(decision)), decision=decision)


def _format_of(found: Mapping[str, Any]) -> object:
    decision = found.get("decision")
    return decision.get("format") if isinstance(decision, dict) else None


def _tender(content: bytes) -> Signable:
    try:
        file = read_tender_file(content)
    except UnreadableTender as error:
        raise NotSignable(f"looks like a tender's decision, and is none: {error}") from error
    return Signable(purpose=TENDER, document=tender_decision_hash(file), words=tuple(_of_tender(file)), decision=file)


def _of_decision(file: DecisionFile) -> list[tuple[str, str]]:
    terms = file.decision.terms
    awards = [f"{line.content.claimant.partner} {line.content.award_g} g" for line in file.lines]
    return [
        ("round", terms.round),
        ("product", terms.product),
        ("rule", f"{terms.rule}, policy {terms.policy} version {terms.policy_version}"),
        *((f"class {tier or 'others'}", rule) for tier, rule in (terms.inside or {}).items()),
        *([("cap", f"{terms.cap} of what is offered, for any one partner")] if terms.cap else []),
        *([("restraint", f"{terms.restraint} of base consumption")] if terms.restraint else []),
        *((f"pool {pool.pool}", _of_pool(pool)) for pool in terms.pools or ()),
        *_of_stock(file),
        ("awards", ", ".join(awards) or "none shown"),
        *_not_checkable(not_compared(file)),
    ]


def _of_stock(file: DecisionFile) -> list[tuple[str, str]]:
    if file.holdings is None:
        return []
    holdings = file.holdings.content
    return [
        ("available", f"{holdings.available_g} g, of which {holdings.protected_g} g are protected"),
        *((f"partner {each.partner}", _of_partner(each)) for each in holdings.partners or ()),
    ]


def _of_partner(told: PartnerTerms) -> str:
    cap = "" if told.own_cap is None else f", at most {told.own_cap} of what is offered"
    return f"{told.agreement} version {told.agreement_version}, class {told.priority_class}, {told.quota_left_g} g of its quota left{cap}"


def _not_checkable(found: Sequence[NotCompared]) -> list[tuple[str, str]]:
    why: dict[str, list[str]] = {}
    for each in found:
        why.setdefault(each.why, []).append(each.where)
    return [("not checkable", f"{', '.join(where)}: {reason}") for reason, where in why.items()]


def _of_pool(pool: PublishedPool) -> str:
    units = " and ".join(f"{units.units} x {units.unit_g} g" for units in pool.offered) or "nothing"
    return f"{units}{f', {pool.restricted}' if pool.restricted else ''}"


def _of_tender(file: TenderFile) -> list[tuple[str, str]]:
    decision, terms = file.decision, file.decision.terms
    lines = [line.content for line in file.lines]
    awards = [f"{line.revealed.partner} {line.mass_g} g for {money(line.amount_minor, terms.currency)}" for line in lines if line.units]
    return [
        ("tender", decision.tender),
        ("product", terms.product),
        (
            "offer",
            f"{terms.units} units of {terms.unit_g} g, not below {terms.reserve_price} minor units of {terms.currency} for a kilogram",
        ),
        ("price", f"{terms.pricing}, accepted down to {decision.cut_off_price}"),
        ("awards", ", ".join(awards) or "none shown"),
        ("left", f"{decision.left_units} units"),
        *_not_checkable(tender_not_compared(file)),
    ]


def _of_command(document: CommandPaper) -> list[tuple[str, str]]:
    about = ((name, _text_of(value)) for name, value in document.command.items() if name != "type" and value is not None)
    return [
        ("act", f"{document.act}, in {document.service}"),
        ("command", _text_of(document.command.get("type"))),  # an act has several: to sign an agreement, and to end it
        ("of", ", ".join(document.streams)),
        *about,
        ("proposed", f"on {document.proposed_on} by {document.proposed_by}"),
    ]


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


def _of_loan(document: LoanPaper) -> list[tuple[str, str]]:
    terms = document.terms
    return [
        ("loan", document.loan),
        ("borrower", f"{terms.borrower}, for {terms.project} ({', '.join(terms.elements)})"),
        *(("joint borrower", each) for each in terms.joint_borrowers),
        *(("guarantor", _guarantor(each, terms.currency)) for each in terms.guarantors),
        *([] if terms.syndicated is None else [("with co-lenders", _syndicated(terms.syndicated, terms.currency))]),
        ("commitment", f"{money(terms.commitment_minor, terms.currency)} of {terms.facility}, {terms.account}, {terms.instrument}"),
        ("rate", f"{terms.base_rate} {terms.base_pct} + {terms.margin_pct} % a year; {terms.default_margin_pct} % more on what is overdue"),
        ("fees", f"{terms.commitment_fee_pct} % a year undrawn; {money(terms.establishment_fee_minor, terms.currency)} at the start"),
        ("available", f"{terms.available_from} to {terms.available_until}; conditions by {terms.sunset_on}"),
        ("repayment", _schedule(terms.schedule)),
        ("security", f"{terms.ranking}: {terms.security}"),
        *((f"condition {each.name}", each.text) for each in terms.precedents),
        *((f"after {each.name}", f"{each.text}, by {each.due}") for each in terms.subsequents),
        *((f"covenant {each.kind}", f"{each.minimum} at least") for each in terms.covenants),
        ("default", _default(terms)),
    ]


def _guarantor(each: Guarantor, currency: str) -> str:
    return f"{each.party}, for {'all of it' if each.amount_minor is None else money(each.amount_minor, currency)}"


def _syndicated(all_lenders: Syndicated, currency: str) -> str:
    return f"{money(all_lenders.total_minor, currency)} in all, of which the Reserve's share is {all_lenders.share}"


def _default(terms: LoanTerms) -> str:
    days = terms.acceleration_notice_days
    falls_due = "never falls due at once" if days is None else f"all may fall due {days} days after it is declared"
    return f"{falls_due}; {'also' if terms.cross_default else 'not'} for another loan's default"


def _of_act(document: LoanActPaper) -> list[tuple[str, str]]:
    match document.content:
        case AmendCondition(name=name, text=text, condition=condition):
            does = f"condition {name} becomes: {text}: {canonical(condition).decode()}"
        case WaiveCondition(name=name, until=until):
            does = f"condition {name} is waived {'for good' if until is None else f'until {until}'}"
        case WaiveCovenant(kind=kind, until=until):
            does = f"covenant {kind} is waived until {until}"
        case Restructure(schedule=schedule, rate_pct=rate, capitalise_overdue=capitalise):
            overdue = "what is overdue becomes principal" if capitalise else "what is overdue stays due"
            does = f"{_schedule(schedule)}; {'the rate as before' if rate is None else f'{rate} % a year'}; {overdue}"
        case WriteOff(amount_minor=amount, on=day):
            does = f"{amount} minor units of the loan's currency, on {day}"
        case Accelerate(on=day):
            does = f"all of it falls due on {day}, unless its default is cured before"
        case Reinstate():
            does = "a default is taken back: it is owed by its schedule, as if it had never fallen due at once"
        case EndEnforcement():
            does = "its security is realised: what is still owed is a claim"
        case Refund(amount_minor=amount, reference=reference, on=day):
            does = f"{amount} minor units of the loan's currency go back to the borrower on {day}, as {reference}"
        case _:
            assert_never(document.content)
    named = str(msgspec.to_builtins(document.content)["type"])
    return [("loan", document.loan), ("act", document.act), (named, does), ("reason", document.reason)]


def _of_holding(document: HoldingPaper) -> list[tuple[str, str]]:
    terms = document.terms
    return [
        ("holding", document.holding),
        ("company", f"{terms.company}, for {terms.project} ({', '.join(terms.elements)})"),
        ("commitment", f"{money(terms.commitment_minor, terms.currency)} of {terms.facility}, {terms.account}, {terms.instrument}"),
        ("shares", f"{terms.units} {terms.share_class} at {terms.unit_price_minor} minor units each, at most"),
        ("proposed", f"by {document.proposed_by} on {document.proposed_on}"),
    ]


def _of_write_down(document: WriteDownPaper) -> list[tuple[str, str]]:
    amount = (
        "all, and nothing is held any more" if document.amount_minor is None else f"{document.amount_minor} minor units of its currency"
    )
    return [
        ("holding", document.holding),
        ("write-down", f"{amount}, on {document.on}{'' if document.dated_because is UNSET else f', as {document.dated_because}'}"),
        ("authority", document.authority),
        ("reason", document.reason),
        ("proposed", f"by {document.proposed_by}"),
    ]


def _of_material_terms(document: MaterialTermsPaper) -> list[tuple[str, str]]:
    terms = document.terms
    premium = terms.premium
    return [
        ("loan", document.loan),
        ("partner", document.partner),
        ("lent", f"{document.mass_g} g of {document.product}, {terms.content} of it {terms.element}"),
        ("due", f"{terms.due_on} at {terms.return_place}"),
        ("premium", f"{premium.base_pct} %, and {premium.step_pct} % for each {premium.step_days} days begun"),
        (
            "security",
            f"{terms.security.kind}, {money(terms.security.value_minor, terms.currency)}, cover {terms.security.required_cover}",
        ),
        (
            "calls",
            "have no day" if terms.security.call_days is None else f"met within {terms.security.call_days} days, or it is in default",
        ),
        ("deferral", f"{terms.deferral_pct} % each, on: {', '.join(terms.deferral_conditions) or 'no condition'}"),
        ("decision", document.decision),
    ]


def _of_deferral(document: DeferralPaper) -> list[tuple[str, str]]:
    return [
        ("loan", document.loan),
        ("deferral", document.deferral),
        ("due", f"{document.due_on}, at {document.premium_pct} % more"),
        ("condition", f"{document.condition}: {document.evidence}"),
        ("terms", document.terms),
    ]


def _of_policy(document: PolicyDocument) -> list[tuple[str, str]]:
    terms = document.terms
    method, emergency = terms.method, terms.emergency
    inside = [f"{rule} in class {tier}" if tier else f"{rule} in all others" for tier, rule in sorted(method.inside.items())]
    caps = ([f"{method.cap} of what is offered"] if method.cap is not None else []) + [f"{who} {cap}" for who, cap in method.caps.items()]
    steps = [f"{step.approvals} above {step.above_g} g" for step in terms.quorum]
    clocks = [
        f"{name}: screened in {days.screened} days, decided {days.decided}, secured {days.secured}, cleared {days.cleared}, "
        f"dispatched {days.dispatched}, delivered {days.delivered}"
        for name, days in sorted(terms.clocks.items())
    ]
    return [
        ("policy", f"{document.policy} version {document.version}, from {document.active_from}"),
        ("rule", ", ".join([method.rule, *inside]) + (f", restraint {method.restraint}" if method.restraint is not None else "")),
        ("caps", ", ".join(caps) or "none"),
        ("protected", ", ".join(f"{mass_g} g of {product}" for product, mass_g in sorted(terms.protected_g.items())) or "nothing more"),
        ("approvals", f"{', '.join(steps)}, of what is decided in {terms.quorum_days} days"),
        (
            "emergency",
            "none"
            if emergency is None
            else f"up to {emergency.max_g} g on one approval, ratified in {emergency.ratify_within_hours} hours",
        ),
        ("clocks", "; ".join(clocks)),
        ("releases", f"to be drawn in {terms.release_days} days"),
        ("rounding", f"remembered for {terms.carry_years} years"),
        ("minimums", f"up to {terms.largest_minimum} of what is accepted"),
    ]


def _schedule(schedule: ScheduleTerms) -> str:
    due = f"due days by the calendar {schedule.calendar}, {'following' if schedule.business_days is UNSET else schedule.business_days}"
    runs = "moved days" if schedule.adjust_accrual is True else "unmoved days"
    periods = f"{schedule.kind}, {schedule.periods} periods of {schedule.every} from {schedule.start}"
    return f"{periods}, {schedule.day_count} between {runs}; {due}"


def _of_enrolment(document: EnrolmentPaper) -> list[tuple[str, str]]:
    return [("enrols", f"key {document.key}"), ("public key", document.public_key), ("for", document.subject)]


def _of_instrument(document: InstrumentPaper) -> list[tuple[str, str]]:
    limits = [] if document.limit_g is None else [f"{document.limit_g} g"]
    if document.limit_minor is not None:
        limits.append(f"{document.limit_minor} minor units of {document.currency}")
    days = "" if document.window_days is None else f", of all that is done in {document.window_days} days"
    return [
        ("registers", f"{document.instrument}, {document.kind}: {document.title}"),
        ("of", document.office),
        ("under", document.under or "nothing: it is an act"),
        ("holder", document.holder),
        ("acts", ", ".join(document.acts)),
        ("products", ", ".join(document.products) or "all"),
        ("limits", f"{' and '.join(limits) or 'none'}{days}"),
        ("valid", f"{document.valid_from} to {document.valid_until}"),
        ("delegation", "may be delegated" if document.may_sub_delegate else "may not be delegated"),
    ]


def _of_officer(document: ActingOfficerPaper) -> list[tuple[str, str]]:
    return [("names", document.officer), ("acts under", f"{document.instrument}, {document.valid_from} to {document.valid_until}")]


def _of_person(document: PersonPaper) -> list[tuple[str, str]]:
    return [("account", document.official), ("is for ever one of", document.person)]


_WORDS: Mapping[type[Paper], Callable[[Any], list[tuple[str, str]]]] = {
    PolicyDocument: _of_policy,
    MaterialTermsPaper: _of_material_terms,
    DeferralPaper: _of_deferral,
    LoanActPaper: _of_act,
    LoanPaper: _of_loan,
    WriteDownPaper: _of_write_down,
    HoldingPaper: _of_holding,
    CommandPaper: _of_command,
    EnrolmentPaper: _of_enrolment,
    InstrumentPaper: _of_instrument,
    ActingOfficerPaper: _of_officer,
    PersonPaper: _of_person,
    **PARTNERS,
}
_UNDER_NONE: tuple[type[Paper], ...] = (EnrolmentPaper, InstrumentPaper, ActingOfficerPaper, PersonPaper, *PARTNERS)
