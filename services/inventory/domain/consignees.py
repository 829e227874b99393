"""Consignees: the gates by which goods leave only for one that was named for them, and that the screening lists in force have cleared."""

from collections.abc import Collection, Sequence
from datetime import date

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.events import GateEvidence
from shared.journal.decider import Refused
from shared.terms.conditions import Evidence, Shown, evaluate

CONSIGNEE_NAMED = "consignee_named"  # the request names it, or an approver has approved it: `by` is who
CONSIGNEE_CLEARED = "consignee_cleared"  # no list in force has its name, or a person has cleared each likeness
_IS_NAMED = Shown(kind=CONSIGNEE_NAMED)
_IS_CLEARED = Shown(kind=CONSIGNEE_CLEARED)
_ANOTHER = "another that its partner asks for, once an approver has approved it (POST /allocation/v1/consignee-changes)"


def fault_of_consignee(
    name: str, named: Sequence[str], gates: Sequence[GateEvidence], accounts: Collection[str], on: date
) -> Refusal | None:
    """Why the goods do not go there. `named`: to whom they may go; `accounts`: of who dispatches."""
    evidence = evidence_of(gates)
    if evaluate(_IS_NAMED, evidence, on).status != "met":
        detail = f"neither the request nor an approved change names {name or 'anybody'}"
        return Refused(Reason.CONSIGNEE_UNNAMED, detail, "/consignee", " or ".join((*named, _ANOTHER)))
    if evaluate(_IS_CLEARED, evidence, on).status != "met":
        return Refused(
            Reason.CONSIGNEE_NOT_CLEARED,
            f"nothing says that no screening list in force has {name}",
            "/consignee",
            "the same once it is looked up in them and its hits are cleared, or another consignee",
        )
    if by := next((gate.by for gate in gates if gate.gate == CONSIGNEE_NAMED and gate.by in accounts), None):
        return Refused(Reason.OWN_CONSIGNEE, f"{by} has approved {name}", accepted="another operator")
    return None


def evidence_of(gates: Sequence[GateEvidence]) -> list[Evidence]:
    return [Evidence(kind=gate.gate, reference=gate.evidence, by=gate.by, until=gate.until) for gate in gates]
