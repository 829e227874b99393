"""What drawn goods lack, as two people have weighed them: in suspense, until a third signs what became of it."""

from datetime import date
from typing import Literal

from services.inventory.events.ids import DrawId, Parcel, StockpileEvent
from shared.journal.record import Grams

type SettledAs = Literal["loss", "measurement", "found", "weighed_again", "returned"]


class DrawWeighedAgain(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.draw_weighed_again.v1"):
    """The goods weigh less than was drawn, and leave so. What they lack, `mass_g - weighed_g`, is in suspense."""

    draw: DrawId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    before_g: Grams  # what the books held: the nominal mass, or an earlier weighing
    first_g: Grams  # as it was weighed first
    first_by: str
    weighed_g: Grams
    weighed_by: str  # another person
    duty: str  # that the token of the second named
    sign_by: date  # the last day on which what is missing is to be signed for
    first_proposal: str | None = None  # of the first weighing; None: by a build that did not see whether it was weighed otherwise since
    scale: str | None = None  # of the second weighing; None: none of the product's scales had a tolerance of its own


class DifferenceSettled(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.difference_settled.v1"):
    """Out of suspense, as somebody has signed who had not weighed it. `found` shows in the next stock-take. Where another weighing or the
    goods' return takes its place, that event stands after it."""

    draw: DrawId
    partner: str
    mass_g: Grams
    cause: SettledAs
    signed_by: str | None = None  # None: by a build in which who weighed it could sign another weighing, or its return


class DifferenceOverdue(StockpileEvent, frozen=True, kw_only=True, tag="inventory.difference_overdue.v1"):
    """Nobody has signed for it in time. It stays in suspense."""

    draw: DrawId
    partner: str
    mass_g: Grams
    sign_by: date
