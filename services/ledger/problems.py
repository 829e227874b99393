"""Why the ledger's API refuses, besides what its streams do."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    RECEIPT_NOT_FOUND = "receipt_not_found", 404, "There is no such receipt"
    RECEIPT_NOT_READY = "receipt_not_ready", 404, "The receipt is not there yet"
    GRADE_NOT_GIVEN = "grade_not_given", 409, "This grade is not given here"
    CHECKPOINT_NOT_FOUND = "checkpoint_not_found", 404, "There is no checkpoint yet"
    SIZE_NOT_FOUND = "size_not_found", 404, "The log was never of this size"
    RECORD_INCOMPLETE = "record_incomplete", 503, "The ledger does not know all that it has recorded"
    HISTORY_NOT_FOUND = "history_not_found", 404, "No history of this number has ended"
    FEED_ID_UNKNOWN = "feed_id_unknown", 404, "The feed has given no such id"
    TOO_MANY_READERS = "too_many_readers", 429, "Too many readers of the feed wait"
    TILE_NOT_FOUND = "tile_not_found", 404, "The log has no such tile"
    WEBHOOK_TARGET_REFUSED = "webhook_target_refused", 422, "The webhook's address is not allowed"
    WEBHOOK_TYPE_UNKNOWN = "webhook_type_unknown", 422, "Unknown event type"
    TOO_MANY_WEBHOOK_TESTS = "too_many_webhook_tests", 429, "Too many webhooks are tested or registered at once"
