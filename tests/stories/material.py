"""A material loan of antimony metal, told in commands: what tests of its parts begin with."""

from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from services.loans.domain.material.decider import DECIDER
from services.loans.domain.material.held import LentGoods, RecordLent
from services.loans.domain.material.laboratories import INDEPENDENT, Registered
from services.loans.domain.material.returns import AssayReturn, CreditReturn, ReceiveReturn
from services.loans.domain.material.state import MaterialLoan
from services.loans.domain.material.terms import (
    ApproveDeferral,
    ApproveTerms,
    CommitMaterialLoan,
    OfferMaterialLoan,
    ProposeDeferral,
    ProposeTerms,
    deferral_document,
    terms_document,
)
from services.loans.domain.papers import DeferralPaper, MaterialTermsPaper
from services.loans.events.facility import FacilityId
from services.loans.events.laboratory import LaboratoryCode
from services.loans.events.material import (
    Assay,
    DeferralId,
    MaterialLoanId,
    MaterialTerms,
    Premium,
    ReturnedLot,
    ReturnId,
    Security,
)
from shared.terms.acting import Signing
from shared.terms.approval import approve
from shared.terms.dating import Dated
from tests.stories.given import Given
from tests.stories.powers import may

TODAY = date(2026, 1, 12)
DUE = date(2026, 7, 12)
LOAN = MaterialLoanId("mln_01jh7qmxw4e0aayfkn3d1a2b3c")
UNIT_G = 1_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BACK = ReturnId("mrt_1")
LATER = DeferralId("dfr_1")
INDEPENDENTS, UMPIRES = LaboratoryCode("sgs-perth"), LaboratoryCode("alex-stewart")  # laboratories

TERMS = MaterialTerms(
    facility=FacilityId("lending"),
    element="Sb",
    content="0.9965",
    due_on=DUE,
    return_place="Kwinana",
    premium=Premium(base_pct="1", step_pct="0.5", step_days=30),
    splitting_limit="0.002",
    currency="AUD",
    security=Security(kind="letter_of_credit", value_minor=500_000_000, haircut="1/10", required_cover="1.1"),
    deferral_conditions=("supply_disruption",),
    deferral_pct="1",
    cash_basis="Fastmarkets MB-SB-0001, on the day",
)


def days(count: int, since: date = TODAY) -> date:
    return since + timedelta(days=count)


def evolve(loan: MaterialLoan, event: Any) -> MaterialLoan:
    after: MaterialLoan = DECIDER.evolve(loan, event)
    assert sum(getattr(after.books, name) for name in after.books.__struct_fields__) == 0
    assert after.books.lent_g == after.out_g, "what is owed is what the books say is lent"
    return after


BALANCED = structs.replace(DECIDER, evolve=evolve)


def offer(**changes: Any) -> OfferMaterialLoan:
    told: dict[str, Any] = {
        "loan": LOAN,
        "award": "awd_01jh7qmxw4e0aayfkn3d1a2b3c",
        "decision": "d" * 64,
        "release": "rel_01jh7qmxw4e0aayfkn3d1a2b3c",
        "product": "antimony-metal",
        "partner": "JP",
        "mass_g": 10 * UNIT_G,
        "return_on": days(365),
        "draw_by": days(90),
    }
    return OfferMaterialLoan(**(told | changes))


def signing(document: str, purpose: str, by: str = "approver-1", **changes: Any) -> Signing:
    told: dict[str, Any] = {
        "approval": approve(document, KEY, approver=by, purpose=purpose),
        "key": "enrolled",
        "signature_valid": True,
        "capacity": may(by, TODAY),
    }
    return Signing(**(told | changes))


def propose(loan: MaterialLoan, terms: MaterialTerms = TERMS) -> ProposeTerms:
    return ProposeTerms(terms=terms, document=sha256(terms_document(loan, terms)).hexdigest(), by="operator-1", on=TODAY)


def sign(loan: MaterialLoan, **changes: Any) -> ApproveTerms:
    assert loan.proposal is not None
    return ApproveTerms(signing=signing(loan.proposal.document, MaterialTermsPaper.purpose, **changes), on=TODAY)


def offered() -> Given:
    return Given(BALANCED, offer())


def proposed(terms: MaterialTerms = TERMS) -> Given:
    return offered().given(lambda loan: propose(loan, terms))


def committed(terms: MaterialTerms = TERMS) -> Given:
    return proposed(terms).given(sign, CommitMaterialLoan())


def draw(lent_g: int, on: date = TODAY, undrawn_g: int = 0, name: str = "drw_1") -> RecordLent:
    goods = LentGoods(mass_g=lent_g, contained_g={"Sb": lent_g, "As": 3})
    return RecordLent(draw=name, goods=(goods,), undrawn_g=undrawn_g, on=on)


def lent(lent_g: int = 10 * UNIT_G, terms: MaterialTerms = TERMS) -> Given:
    return committed(terms).given(draw(lent_g))


def ask(
    loan: MaterialLoan, due_on: date = days(60, DUE), condition: str = "supply_disruption", name: DeferralId = LATER
) -> ProposeDeferral:
    document = sha256(deferral_document(loan, name, condition, "notice 7", due_on)).hexdigest()
    return ProposeDeferral(deferral=name, condition=condition, evidence="notice 7", due_on=due_on, document=document, by="operator-1")


def grant(loan: MaterialLoan, on: date, name: DeferralId = LATER, **changes: Any) -> ApproveDeferral:
    return ApproveDeferral(deferral=name, signing=signing(loan.deferrals[name].document, DeferralPaper.purpose, **changes), on=on)


def assay(content: str = "0.9965", fit: bool = True, on: date = TODAY, element: str = "Sb", laboratory: str = "AHK") -> Assay:
    contents: Mapping[str, str] = {element: content}
    return Assay(report="R-1", laboratory=laboratory, assayed_on=on, contents=dict(contents), in_specification=fit)


def goods(units: int, **changes: Any) -> ReturnedLot:
    told: dict[str, Any] = {
        "product": "antimony-metal",
        "depot": "Kwinana",
        "units": units,
        "nominal_unit_g": UNIT_G,
        "serials": (),
        "origin": "Japan",
        "custody_model": "segregated",
    }
    return ReturnedLot(**(told | changes))


def bring(units: int, on: date, content: str = "0.9965", name: ReturnId = BACK, **changes: Any) -> ReceiveReturn:
    told: dict[str, Any] = {"returned": name, "lot": goods(units), "own_assay": assay(content), "received_on": on, "on": on}
    if changes.get("received_on", on) != on:
        told["dated_because"] = Dated.PAPER_LATE
    return ReceiveReturn(**(told | changes))


def check(content: str, on: date, by: Any = "independent", fit: bool = True, name: ReturnId = BACK) -> AssayReturn:
    laboratory = UMPIRES if by == "umpire" else INDEPENDENTS
    found = assay(content, fit, laboratory=laboratory)
    return AssayReturn(returned=name, by=by, assay=found, registered=registered(laboratory), on=on)


def registered(laboratory: LaboratoryCode = INDEPENDENTS, **changes: Any) -> Registered:
    told: dict[str, Any] = {"laboratory": laboratory, "name": f"{laboratory} Pty Ltd", "owner": INDEPENDENT, "accredited_until": DUE}
    return Registered(**(told | changes))


def take_in(name: ReturnId = BACK) -> CreditReturn:
    return CreditReturn(returned=name, taken_in_as="lot_1")
