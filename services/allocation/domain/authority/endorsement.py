"""Endorsement: another approver's signature, without which no key, instrument or acting officer is entered once the ceremony is over."""

from collections.abc import Collection
from datetime import date

import msgspec

from services.allocation.events.papers import AuthorityPaper
from shared.journal.decider import Reasons, Refused
from shared.journal.record import name_of
from shared.terms.acting import Approval, ApprovalReason, Proposal, Signing, approval_of, fault_of


class Endorsing(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator sends beside, as looked up. `ceremony`: nobody could have signed yet; `signing`: None if nobody has."""

    posted_by: frozenset[str]  # every account of the administrator
    ceremony: bool
    signing: Signing | None = None
    on: date


class Reason(Reasons):
    MISSING = "endorsement_missing", 403, "Another approver must sign this"
    BY_PARTY = "endorsement_by_party", 403, "An endorser may be neither a party nor the sender"


def endorsed(
    paper: AuthorityPaper, parties: Collection[str], endorsing: Endorsing
) -> Approval | Refused[Reason] | Refused[ApprovalReason] | None:
    """The signature to be kept with it; None in the ceremony. `parties`: whom it is for."""
    if endorsing.ceremony:
        return None
    document = name_of(paper)
    if (signing := endorsing.signing) is None:
        needed = f"the signature of an approver over {document}, for the purpose {paper.purpose}"
        return Refused(Reason.MISSING, "nobody else has signed this", field="/endorsement", accepted=needed)
    if not signing.capacity.accounts.isdisjoint({*parties, *endorsing.posted_by}):
        return Refused(Reason.BY_PARTY, f"{signing.by} is a party to it", field="/endorsement/approver", accepted="another approver")
    if (fault := fault_of(Proposal(purpose=paper.purpose, document=document, proposed_by=frozenset()), signing)) is not None:
        return Refused(fault.code, fault.detail, f"/endorsement{fault.field or ''}", fault.accepted)
    return approval_of(signing.approval, endorsing.on)
