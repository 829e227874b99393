"""The life of a right: an option is exercised, planned, assigned, given back in part, delivered in every way, and terminated."""

from datetime import date, timedelta
from typing import Any

from services.inventory.domain.deliveries import (
    DeliverAssignment,
    FailAssignments,
    GiveBackAssignment,
    PostponeDelivery,
    SubstituteDelivery,
)
from services.inventory.domain.programme import AgreeProgramme, CloseTranches, PlannedTranche
from services.inventory.domain.rights import ExerciseRight, MatureRight, TerminateRight
from services.inventory.events import DrawId, ProductId, RightId, RightTerms
from shared.terms.dating import Dated
from tests.stories.stockpile import PASSED, TODAY, UNIT_G, a_round, award, draw, lot, register, right

RIGHT, DRAW = RightId("rgt_1"), DrawId("drw_1")
FROM, UPTO = date(2026, 4, 1), date(2026, 9, 30)
LATE = UPTO + timedelta(days=10)
OVER = UPTO + timedelta(days=45)  # force majeure and grace, and a day
TERMS = RightTerms(notice_days=60, tolerance="0.25", grace_days=14, force_majeure_days=30, failures_to_terminate=1)
PLAN = (
    PlannedTranche(window_from=FROM, window_to=date(2026, 6, 30), mass_g=4 * UNIT_G),
    PlannedTranche(window_from=date(2026, 7, 1), window_to=UPTO, mass_g=8 * UNIT_G),
)


def delivered(grams: int, on: date, delivered_on: date | None = None) -> DeliverAssignment:
    because = None if delivered_on is None else Dated.REPORTED_LATE
    days: dict[str, Any] = {"delivered_on": delivered_on or on, "dated_because": because, "reported_on": on, "on": on}
    return DeliverAssignment(draw=DRAW, right=RIGHT, partner=None, mass_g=grams, evidence="CMR", **days)


# An option of 12 units is exercised; Japan is assigned 8 of them and gives back one.
OPTION = right(kind="option", units=12, terms=TERMS)
LIFE: tuple[tuple[date, Any], ...] = (
    (TODAY, register()),
    (TODAY, OPTION),
    (TODAY, ExerciseRight(right=RIGHT, deliver_from=FROM, on=TODAY)),
    (TODAY, a_round(award("a", "JP", 8))),
    (TODAY, draw(units=8)),
    (TODAY, AgreeProgramme(right=RIGHT, tranches=PLAN, on=TODAY)),
    (TODAY, PostponeDelivery(right=RIGHT, window_to=UPTO + timedelta(days=30), cause="force_majeure", evidence="notice", on=TODAY)),
    (FROM, MatureRight(right=RIGHT, settled_g=2 * UNIT_G, delivery=lot(units=2, on=FROM))),
    (FROM, GiveBackAssignment(draw=DRAW, right=RIGHT, partner="JP", mass_g=UNIT_G, on=FROM)),
    (FROM, delivered(2 * UNIT_G, FROM)),
    (
        FROM,
        SubstituteDelivery(
            draw=DRAW,
            right=RIGHT,
            mass_g=UNIT_G,
            substitute=ProductId("antimony-high"),
            delivered_g=UNIT_G,
            assay=PASSED,
            delivered_on=FROM,
            on=FROM,
        ),
    ),
    (OVER - timedelta(days=1), delivered(UNIT_G // 2, OVER - timedelta(days=1))),
    (OVER - timedelta(days=1), delivered(UNIT_G // 2, OVER - timedelta(days=1), FROM)),  # told late, and delivered in time
    (OVER, CloseTranches(right=RIGHT, on=OVER)),
    (OVER, FailAssignments(right=RIGHT, on=OVER)),
    (OVER, TerminateRight(right=RIGHT, cause="repeated_failure", on=OVER)),
)
