"""Reasons: why a stockpile refuses. Each value is the `code` of an RFC 9457 problem, and stays what it is for good."""

from enum import StrEnum

from shared.journal.decider import Refused
from shared.terms.authority import Fault


class Reason(StrEnum):
    # what does not exist (or is another partner's, or has nothing left that could change)
    PRODUCT_NOT_FOUND = "product_not_found"
    LOT_NOT_FOUND = "lot_not_found"
    RIGHT_NOT_FOUND = "right_not_found"
    HOLD_NOT_FOUND = "hold_not_found"
    RELEASE_NOT_FOUND = "release_not_found"
    DRAW_NOT_FOUND = "draw_not_found"

    # what cannot be asked
    PRODUCT_REGISTERED = "product_registered_already"
    ID_TAKEN = "id_taken"
    QUANTITY_INVALID = "quantity_invalid"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    NOT_WHOLE_UNITS = "not_whole_units"
    DATE_IN_PAST = "date_in_past"
    DATE_IN_FUTURE = "date_in_future"
    WINDOW_REVERSED = "window_reversed"
    SERIALS_MISMATCH = "serials_do_not_match_units"
    TARGET_MISMATCH = "hold_target_mismatch"

    # what stock, rights and time do not allow
    STOCK_SHORT = "stock_short"
    RIGHTS_SHORT = "rights_short"
    STOCK_PROTECTED = "stock_protected"
    STOCK_NOT_FREE = "stock_not_free"
    RIGHT_RELEASED = "right_released"
    ON_HOLD = "on_hold"
    RELEASE_EXCEEDED = "release_exceeded"
    RELEASE_LAPSED = "release_lapsed"
    TOO_MANY_LOTS = "draw_takes_too_many_lots"
    LOT_UNAVAILABLE = "lot_unavailable"
    LOAN_NOT_COMMITTED = "loan_not_committed"
    LOAN_OF_GOODS = "loan_of_goods"
    NOT_WEIGHED = "not_weighed"
    RECEIPT_MISSING = "receipt_missing"
    NOT_DISPATCHED = "draw_not_dispatched"


type Refusal = Refused[Reason] | Refused[Fault]
