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
