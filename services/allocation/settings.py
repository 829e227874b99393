"""How long it usually takes to clear an item of a readiness register: shown, and nothing is decided by it.

`RESERVE_ALLOCATION_` and the name, in JSON.
"""

from functools import cache

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.allocation.domain.readiness.first_grams import Lead
from services.allocation.events.readiness import ItemKind


class Leads(BaseSettings):
    """In days; those of `lead_working` are counted Monday to Friday.

    A defence export permit takes up to 15 working days, a sensitive one 35; the others are assumptions, to be replaced by what is seen.
    """

    model_config = SettingsConfigDict(env_prefix="RESERVE_ALLOCATION_", extra="ignore")

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

    def of(self, product: str) -> dict[ItemKind, Lead]:
        leads = {kind: Lead(days, kind in self.lead_working) for kind, days in self.lead_days.items()}
        if product in self.sensitive_products:
            leads["permit"] = Lead(self.sensitive_permit_days, "permit" in self.lead_working)
        return leads


@cache
def leads() -> Leads:
    return Leads()
