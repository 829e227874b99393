"""What a material loan adds to the audit's small history."""

from typing import Any

from services.allocation.events import ActingOfficerNamed, ApproverKeyEnrolled, LoanAwarded, LoanRequested
from services.loans.domain.material.decider import DECIDER
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import CheckDue, RecordTakenBack
from services.loans.domain.material.terms import CommitMaterialLoan
from services.loans.events.authority import AuthorityCited
from services.loans.events.facility import FacilityOpened, HeadroomReserved, Limit, RateRecorded
from services.loans.events.material import ReturnId
from shared.terms.approval import key_id, public_key_hex
from tests.stories.audit import DAY_BEFORE, Step, Story, book, told_on_another_day
from tests.stories.audit_loans import told_with_loans
from tests.stories.given import Given
from tests.stories.material import DUE, KEY, LOAN, UNIT_G, ask, bring, check, days, draw, grant, offer, propose, sign, take_in
from tests.stories.powers import INSTRUMENT

CONTAINED_G = 9_965_000  # of ten units


def lending() -> Story:
    """The facility's part, and the key of whoever approves."""
    own: Any = {"facility": "lending"}
    commitment: Any = LOAN
    enrolled: Any = {"subject": "approver-1", "key": key_id(public_key_hex(KEY)), "public_key": public_key_hex(KEY)}
    limit = Limit(key="total", parent=None, limit_minor=10**9)
    quoted: Any = {"quoted_on": DUE, "source": "x", "before_minor": 0, "after_minor": 0, "over": ()}
    told: dict[str, Any] = {
        "open_lending": FacilityOpened(currency="AUD", limits=(limit,), authority="an Act", **own),
        "price": RateRecorded(asset="contained/Sb", rate="5", **quoted, **own),
        "reserve_grams": HeadroomReserved(
            commitment=commitment,
            asset="contained/Sb",
            amount=CONTAINED_G,
            value_minor=5 * CONTAINED_G,
            keys=("total",),
            warned=(),
            **own,
        ),
    }
    key = Step(event=ApproverKeyEnrolled(**enrolled), stream="approver/approver-1", shard=1)
    acting: Any = {"instrument": INSTRUMENT, "officer": "approver-1", "valid_from": DAY_BEFORE, "valid_until": days(61, DUE)}
    officer = Step(event=ActingOfficerNamed(**acting), stream=f"instrument/{INSTRUMENT}", shard=1)
    return {"lenders_key": key, "lenders_officer": officer} | {
        name: Step(event=event, stream="facility/lending", shard=1) for name, event in told.items()
    }


def awarded() -> Story:
    """What allocation has said of the loan: JP asked for it as one, and it was awarded so."""
    offered = offer()
    asked: Any = {"request": "req_jp", "product": offered.product, "partner": offered.partner, "return_on": offered.return_on}
    given: Any = {"award": offered.award, "round": "rnd_1", "mass_g": offered.mass_g, "decision": offered.decision}
    return {"ask_for_loan": book(LoanRequested(**asked)), "award_loan": book(LoanAwarded(**asked, **given, expires_on=offered.draw_by))}


def lent() -> Story:
    """Ten units are lent, and a deferral is granted; three come back at the mean of two assays, two at the umpire's; the rest is bought."""
    other, refused = ReturnId("mrt_2"), ReturnId("mrt_3")
    late = days(61, DUE)
    told: dict[str, Any] = {
        "offer": offer(),
        "terms": propose,
        "agree": sign,
        "commit_grams": CommitMaterialLoan(),
        "lend": draw(9 * UNIT_G, undrawn_g=UNIT_G),
        "lend_more": draw(UNIT_G // 2, undrawn_g=UNIT_G // 2, name="drw_2"),
        "take_back": RecordTakenBack(draw="drw_2"),
        "ask_later": ask,
        "grant_later": lambda loan: grant(loan, days(30)),
        "bring": bring(3, days(40)),
        "assay": check("0.9950", days(41)),
        "credit": take_in(),
        "bring_more": bring(2, days(50), name=other),
        "assay_more": check("0.9900", days(51), name=other),
        "umpire": check("0.9940", days(52), "umpire", name=other),
        "credit_more": take_in(other),
        "bring_bad": bring(1, days(60), name=refused),
        "reject": check("0.5", days(61), fit=False, name=refused),
        "overdue": CheckDue(on=late),
        "default": DeclareMaterialDefault(reason="not returned", on=late),
        "buy": RecordReplacement(bought_g=1_000_000, cost_minor=5_000_000, source="a tender", on=late),
    }
    story = lending() | awarded()
    loan = Given(DECIDER)
    for name, command in told.items():
        loan = loan.when(told_on_another_day(command))
        for event in loan.events:
            named = f"{name}_cites" if isinstance(event, AuthorityCited) else name if name not in story else f"{name}_then"
            story[named] = Step(event=event, stream=f"material/{LOAN}")
    return story


def told_with_material() -> Story:
    story = told_with_loans()
    last = story.pop("last_sign")
    return story | {f"grams_{name}": step for name, step in lent().items()} | {"last_sign": last}
