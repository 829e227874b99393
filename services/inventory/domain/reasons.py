"""Reasons: why a stockpile refuses. Each value is the `code` of an RFC 9457 problem, and stays what it is for good."""

from shared.journal.decider import Reasons, Refused
from shared.terms.authority import Fault
from shared.terms.dating import DatingReason


class Reason(Reasons):
    # what does not exist (or is another partner's, or has nothing left that could change)
    PRODUCT_NOT_FOUND = "product_not_found", 404, "There is no such product"
    LOT_NOT_FOUND = "lot_not_found", 404, "There is no such lot, or nothing is left of it"
    ASSIGNMENT_NOT_FOUND = "assignment_not_found", 404, "Nothing is owed under such an assignment"
    RIGHT_NOT_FOUND = "right_not_found", 404, "There is no such right, or nothing is left of it"
    HOLD_NOT_FOUND = "hold_not_found", 404, "There is no such hold, or it is no longer on"
    RELEASE_NOT_FOUND = "release_not_found", 404, "There is no such release"
    DRAW_NOT_FOUND = "draw_not_found", 404, "There is no such draw, or its goods are no longer here"

    # what cannot be asked
    PRODUCT_REGISTERED = "product_registered_already", 409, "The product is registered already"
    ID_TAKEN = "id_taken", 409, "The id is taken"
    QUANTITY_INVALID = "quantity_invalid", 422, "Invalid quantity"
    QUANTITY_TOO_LARGE = "quantity_too_large", 422, "The quantity is more than the books can hold"
    NOT_WHOLE_UNITS = "not_whole_units", 422, "The quantity is not a number of whole units"
    DATE_IN_PAST = "date_in_past", 422, "The day has passed"
    DATE_IN_FUTURE = "date_in_future", 422, "The day has not come yet"
    WINDOW_REVERSED = "window_reversed", 422, "The window ends before it begins"
    SERIALS_MISMATCH = "serials_do_not_match_units", 422, "The serials do not match the units"
    HOLD_RENEWED = "hold_renewed_by_same_person", 403, "Nobody renews a hold of their own"
    HOLD_OWN = "hold_confirmed_by_same_person", 403, "A second person confirms a hold"
    HOLD_CONFIRMED = "hold_stands_already", 409, "The hold needs nobody's confirmation"
    TARGET_MISMATCH = "hold_target_mismatch", 422, "The hold's target does not go with its scope"

    # what stock, rights and time do not allow
    STOCK_SHORT = "stock_short", 409, "There is not enough stock"
    RIGHTS_SHORT = "rights_short", 409, "There are not enough firm rights"
    STOCK_PROTECTED = "stock_protected", 409, "The stock is protected"
    STOCK_NOT_FREE = "stock_not_free", 409, "The stock is not free"
    RIGHT_RELEASED = "right_released", 409, "Releases have reserved the right"
    ON_HOLD = "on_hold", 409, "A hold stops it"
    RELEASE_EXCEEDED = "release_exceeded", 409, "It is more than is left of the release"
    RELEASE_LAPSED = "release_lapsed", 409, "The release has lapsed"
    TOO_MANY_LOTS = "draw_takes_too_many_lots", 422, "The draw takes too many lots"
    LOT_UNAVAILABLE = "lot_unavailable", 409, "Nothing of the lot may be drawn"
    LOAN_NOT_COMMITTED = "loan_not_committed", 409, "The loan is not committed"
    LOAN_OF_GOODS = "loan_of_goods", 409, "A loan is of goods, and not of rights"
    NOT_WEIGHED = "not_weighed", 409, "The goods have not been weighed"
    RECEIPT_MISSING = "receipt_missing", 409, "The ledger's receipt is missing"
    RECEIPT_UNWITNESSED = "receipt_not_witnessed", 409, "The ledger's receipt is not witnessed"
    CONSIGNEE_UNNAMED = "consignee_not_of_request", 409, "The goods are not for this consignee"
    CONSIGNEE_NOT_CLEARED = "consignee_not_cleared", 409, "The consignee is not cleared by the lists in force"
    OWN_CONSIGNEE = "consignee_approved_by_dispatcher", 403, "Who has approved a consignee does not dispatch to it"
    DELIVERED_BEFORE_DRAWN = "delivered_before_drawn", 422, "Goods are not delivered before they are drawn"
    CORRECTS_NOTHING = "correction_empty", 422, "A correction corrects something"
    NOT_DISPATCHED = "draw_not_dispatched", 409, "The goods are not under way"


type Refusal = Refused[Reason] | Refused[Fault] | Refused[DatingReason]
