"""Apart: who must be another person than whom. The one table of it: docs/authority.md shows it, and the audit looks at each row.

A person is one by whatever account they come.
"""

from enum import Enum


class Apart(Enum):
    """Each row: who, than whom, and the codes with which the API refuses who is the same."""

    def __init__(self, who: str, than: str, *codes: str) -> None:
        self.who = who
        self.than = than
        self.codes = codes

    APPROVES = (
        "who approves a decision, a policy, a tender, a loan, a holding, a write-down",
        "who proposed it",
        "approval_by_proposer",
    )
    SIGNS = "who signs a proposal", "who proposed it", "approval_by_proposer"
    PAYS = "who pays an advance", "who asked for it; who recorded the evidence; who registered the payee", "advance_by_one_person"
    RECONCILES = "who reconciles a payment with the bank's statement", "who recorded it", "payment_reconciled_by_same_person"
    RATIFIES = "who ratifies an emergency", "who proposed or approved it", "ratification_by_decider"
    ENDORSES = (
        "who signs a key's, an instrument's or an acting officer's entry, or whose account a subject is",
        "the administrator, the holder, the officer, any account of that person",
        "endorsement_by_party",
    )
    CONFIRMS = (
        "who confirms a hold, or that an agreement is suspended",
        "who put it on",
        "hold_confirmed_by_same_person",
        "suspension_confirmed_by_same_person",
    )
    CONFIRMS_PARKING = "who confirms that a message stays parked", "who parked it", "parking_confirmed_by_same_person"
    RENEWS = (
        "who stops again any of what was stopped and not confirmed",
        "who stopped it, for seven days",
        "hold_renewed_by_same_person",
        "suspension_renewed_by_same_person",
        "parking_renewed_by_same_person",
    )
    CONFIRMS_BAR = (
        "who confirms that another has a conflict of interest, that a key is revoked, that an instrument has ended",
        "who said so first",
        "bar_confirmed_by_same_person",
    )
    RENEWS_BAR = (
        "who declares another's conflict of interest, revokes a key or ends an instrument",
        "whose last word, of whatever kind, lapsed unconfirmed, for seven days",
        "bar_renewed_by_same_person",
    )
    CONFIRMS_DEFAULT = (
        "who confirms a default, a breach of a covenant, the end of a payee or a laboratory; a hit, once more; that a request is declined,"
        " or a clock paused",
        "who declared, reported, ended, declined or paused it; who confirmed it before",
        "default_confirmed_by_same_person",
        "breach_confirmed_by_same_person",
        "ending_confirmed_by_same_person",
        "hit_confirmed_by_same_person",
        "decline_confirmed_by_same_person",
        "clock_pause_confirmed_by_same_person",
    )
    RENEWS_DEFAULT = (
        "who declares, reports, ends, confirms, declines or pauses so again what nobody confirmed, or stops the same loan, request or"
        " consignee otherwise",
        "who did it, for seven days",
        "default_renewed_by_same_person",
        "breach_renewed_by_same_person",
        "ending_renewed_by_same_person",
        "hit_renewed_by_same_person",
        "decline_renewed_by_same_person",
        "clock_pause_renewed_by_same_person",
    )
    WEIGHS_AGAIN = "who weighs underweight goods again", "who weighed them first", "weighed_by_same_person"
    DISPATCHES = "who dispatches goods", "who alone has weighed them", "dispatched_by_weigher"
    SETTLES = "who signs for what underweight goods lack", "both who weighed them; who proposed it", "difference_signed_by_weigher"
    RATIFIES_MOVE = "who ratifies a move between depots", "who moved it", "move_ratified_by_same_person"
    ANSWERS = (
        "who answers an objection",
        "who accepted or screened its request; who opened, proposed, approved or certified its round",
        "answerer_was_involved",
    )
    APPROVES_CONSIGNEE = (
        "who approves another consignee",
        "who asked for it; who dispatches to it",
        "consignee_change_own",
        "consignee_approved_by_dispatcher",
    )
    REVIEWS = "who reviews a decision", "whoever had a part in it", "reviewer_was_involved"
    WITHDRAWS_CONFLICT = "who proposes or signs that a conflict of interest is withdrawn", "whose it is", "conflict_withdrawn_by_oneself"

    def __str__(self) -> str:
        return f"{self.who} must be another person than {self.than}"
