"""What happens to the report that a release owes the Minister."""

from datetime import date

import msgspec

from services.allocation.events.ids import DecisionHash, ProductId, RoundId, SubjectId
from shared.journal.texts import TypedText


class ReportSent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.report_sent.v2"):
    """The report of a certified round has gone out, as the document that it names. A later one supplements it."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    report: str  # SHA-256 of the report as it was sent; the document is kept
    addressee: TypedText  # an office, never a person's name
    reference: str | None  # of the letter
    sent_on: date
    sent_by: SubjectId
