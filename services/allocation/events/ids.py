"""Names of things in allocation, as its events and other services know them."""

from typing import NewType

ProductId = NewType("ProductId", str)  # "antimony-metal"
PartnerCode = NewType("PartnerCode", str)  # "JP"
AgreementId = NewType("AgreementId", str)  # "agr_01j..."
DisruptionId = NewType("DisruptionId", str)  # "dis_01j..."
RequestId = NewType("RequestId", str)  # "req_01j..."
RoundId = NewType("RoundId", str)  # "rnd_01j..."
AwardId = NewType("AwardId", str)  # "awd_01j...": a request has at most one that stands
TenderId = NewType("TenderId", str)  # "tnd_01j..."
BidId = NewType("BidId", str)  # "bid_01j...": of one bidder in one tender
KeyId = NewType("KeyId", str)  # names an approver's public key: 16 hex digits
SubjectId = NewType("SubjectId", str)  # an opaque subject of the identity provider, never a person's name
DecisionHash = NewType("DecisionHash", str)  # SHA-256 of a decision's published part, 64 hex digits
ListName = NewType("ListName", str)  # of a screening list: "entity-list"
HitId = NewType("HitId", str)  # "hit_01j..."
ConsigneeId = NewType("ConsigneeId", str)  # "cns_01j...": of a name, to the letter
ChangeId = NewType("ChangeId", str)  # "chg_01j...": of a consignee
ObjectionId = NewType("ObjectionId", str)  # "obj_01j..."
ReviewId = NewType("ReviewId", str)  # "rev_01j..."


def is_tender(round: str) -> bool:
    """Whether what inventory calls a round is a tender."""
    return round.startswith("tnd_")
