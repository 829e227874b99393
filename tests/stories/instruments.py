"""An act, as it is registered in the ceremony."""

from datetime import date
from typing import Any

from services.allocation.domain.authority.instrument import RegisterInstrument
from services.allocation.events import InstrumentId
from shared.terms.authority import Kind
from tests.stories.endorsing import CEREMONY

ACT = InstrumentId("ins_act")
FIRST, LAST, TODAY = date(2026, 1, 1), date(2026, 12, 31), date(2026, 3, 1)


def register(**changes: Any) -> RegisterInstrument:
    told: dict[str, Any] = {
        "instrument": ACT,
        "kind": Kind.ACT,
        "title": "Reserve Act 2026, s 12",
        "office": "Minister",
        "under": None,
        "above": (),
        "holder": "sub_minister",
        "acts": ("approve_decision", "ratify"),
        "products": (),
        "limit_g": None,
        "limit_minor": None,
        "currency": None,
        "valid_from": FIRST,
        "valid_until": LAST,
        "may_sub_delegate": True,
        "endorsing": CEREMONY,
    }
    return RegisterInstrument(**(told | changes))
