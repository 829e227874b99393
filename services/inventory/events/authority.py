"""By what authority something was done."""

from services.inventory.events.ids import StockpileEvent
from shared.terms.authority import Cited


class AuthorityCited(StockpileEvent, frozen=True, kw_only=True, tag="inventory.authority_cited.v1"):
    """With what was done under it, in the same commit and after it, for the same command."""

    matter: str  # what was acted on: a hold, a release, the product
    cited: Cited
