"""What a holding adds to the audit's small history."""

from typing import Any

from msgspec.structs import replace

from services.loans.domain.equity.decider import DECIDER, ApproveHolding, CommitHolding
from services.loans.domain.equity.flows import ReverseDividend
from services.loans.domain.equity.write_downs import ApproveWriteDown
from services.loans.domain.papers import HoldingPaper, WriteDownPaper
from services.loans.events.authority import AuthorityCited
from services.loans.events.equity import EquityFlowId
from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval
from tests.stories.audit import Step, Story, before, told_on_another_day
from tests.stories.audit_loans import TODAY, facility, reserved, signed, told_with_loans
from tests.stories.equity import COMMITTED_ON, DOCUMENT, HOLDING, TERMS, divest, dividend, propose, subscribe, write_down
from tests.stories.given import Given
from tests.stories.powers import may

SMALL = replace(TERMS, commitment_minor=100, units=100, unit_price_minor="1")


def signing(purpose: str) -> Signing:
    approved = signed(DOCUMENT, purpose)
    said = SignedApproval(purpose=purpose, document=DOCUMENT, approver=approved.subject, key_id=approved.key, signature=approved.signature)
    return Signing(approval=said, key="enrolled", signature_valid=True, capacity=may(said.approver, TODAY))


def may_be_written_down() -> ApproveWriteDown:
    return ApproveWriteDown(flow=EquityFlowId("eqf_w"), signing=signing(WriteDownPaper.purpose), on=TODAY)


def held() -> Story:
    """Eighty of a hundred are paid for eighty shares; a dividend is paid, one is not; half is sold, and the rest lost."""
    told: dict[str, Any] = {
        "propose_holding": propose(SMALL),
        "approve_holding": ApproveHolding(signing=signing(HoldingPaper.purpose)),
        "commit_holding": CommitHolding(on=COMMITTED_ON),
        "subscribe": subscribe(80, 80),
        "dividend": dividend(7, reference="d1"),
        "no_dividend": dividend(9, reference="d2"),
        "reverse_dividend": ReverseDividend(flow=EquityFlowId("eqf_d2"), reason="another's"),
        "divest": divest(40, 50),
        "propose_write_down": write_down(10, TODAY),
        "write_down": may_be_written_down(),
        "propose_write_off": write_down(None, TODAY),
        "write_off": may_be_written_down(),
    }
    story: Story = {"reserve_holding": facility(reserved("eqh_1", "AUD", 100, 100))}
    holding = Given(DECIDER)
    for name, command in told.items():
        holding = holding.when(told_on_another_day(command))
        for event in holding.events:
            named = f"{name}_cites" if isinstance(event, AuthorityCited) else name if name not in story else f"{name}_closes"
            story[named] = Step(event=event, stream=f"equity/{HOLDING}")
    return story


def told_with_equity() -> Story:
    story = told_with_loans()
    return before(story, "last_sign", **{f"equity_{name}": step for name, step in held().items()})  # type: ignore[arg-type]
