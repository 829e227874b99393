"""What happens to a product as a whole."""

from typing import Literal

from services.inventory.events.ids import StockpileEvent
from shared.journal.record import Grams
from shared.journal.texts import TypedText

type Grade = Literal["signed", "witnessed"]
type Form = Literal["metal", "oxide", "concentrate"]


class ProductRegistered(StockpileEvent, frozen=True, kw_only=True, tag="inventory.product_registered.v1"):
    name: str
    contents: dict[str, str]  # element -> nominal share of the mass, a rational string
    form: Form
    unit: str  # the trade unit's name: "bundle", "drum"
    nominal_unit_g: Grams
    specification: str


class ProtectedStockSet(StockpileEvent, frozen=True, kw_only=True, tag="inventory.protected_stock_set.v2"):
    mass_g: Grams
    authority: TypedText
    reason: TypedText


class ReceiptGradeSet(StockpileEvent, frozen=True, kw_only=True, tag="inventory.receipt_grade_set.v2"):
    """From now on, goods leave once the draw's receipt has this grade."""

    grade: Grade
    reason: TypedText


class WeighingToleranceSet(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.weighing_tolerance_set.v1"):
    """From now on, a weighing further from its draw needs another person's signature: under a partner's contract, on a scale, or (neither
    is named) under every contract that has none of its own. Of a contract's and a scale's the narrower counts."""

    partner: str | None = None
    scale: str | None = None
    tolerance: str  # a share of the draw's mass, a rational string: "1/500"; "0": each difference is signed for
    reason: TypedText
