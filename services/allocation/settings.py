"""Figures that policy changes, with what they are unless the environment says otherwise: `RESERVE_ALLOCATION_` and the name, in JSON."""

from functools import cache

import msgspec
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.allocation.domain.policies.terms import STANDARD_CLOCKS
from services.allocation.domain.readiness.first_grams import Lead
from services.allocation.events.clocks import Milestone
from services.allocation.events.readiness import ItemKind

STANDARD = "standard"  # the clock of a request that names none
WARN_DAYS = 3


class Figures(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RESERVE_ALLOCATION_", extra="ignore")

    # Clocks to delivery, where no policy is named: the last day of each milestone by class, counted from the submission. Korea delivers in
    # 8 days in an emergency, and in 30 otherwise; the milestones between are this reserve's own.
    clocks: dict[str, dict[Milestone, int]] = msgspec.to_builtins(STANDARD_CLOCKS)
    clock_warn_days: dict[str, int] = {"emergency": 1, "standard": 3}  # before a limit; of another clock, WARN_DAYS

    objection_days: int = 10  # after an acceptance, in which its partner may object to it
    # By when it is somebody's task to have done it, in days.
    hit_days: int = 2
    objection_answer_days: int = 10
    review_days: int = 30
    correction_days: int = 10
    # What it usually takes to clear an item, in days; those of `lead_working` are counted Monday to Friday. A defence export permit takes
    # up to 15 working days, a sensitive one 35; the others are assumptions, to be replaced by what is seen.
    lead_days: dict[ItemKind, int] = {
        "nominee": 5,
        "consignee": 5,
        "permit": 15,
        "security": 10,
        "specification": 10,
        "route": 5,
        "carrier": 3,
    }
    lead_working: tuple[ItemKind, ...] = ("permit",)
    sensitive_products: tuple[str, ...] = ()
    sensitive_permit_days: int = 35
    readiness_warn_days: int = 30  # before an item expires

    def leads(self, product: str) -> dict[ItemKind, Lead]:
        leads = {kind: Lead(days, kind in self.lead_working) for kind, days in self.lead_days.items()}
        if product in self.sensitive_products:
            leads["permit"] = Lead(self.sensitive_permit_days, "permit" in self.lead_working)
        return leads


@cache
def figures() -> Figures:
    return Figures()
