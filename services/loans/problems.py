"""Why the API of loans refuses by itself; its streams have their own reasons, in `domain`."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    PROJECT_NOT_FOUND = "project_not_found", 404, "There is no such project"
    PRODUCT_NOT_FOUND = "product_not_found", 404, "There is no such product"
    STATEMENT_DATES_REVERSED = "statement_dates_reversed", 422, "The statement's start is after its end"

    LABORATORY_CHANGED = "laboratory_changed", 409, "The laboratory's entry in the register has changed"

    REFERENCE_RATE_PERIOD_INVALID = "reference_rate_period_invalid", 422, "Invalid period of the reference rate"
    REFERENCE_RATE_NOT_PUBLISHED = "reference_rate_not_published", 409, "The reference rate is not fully published yet"

    # imports
    IMPORT_NOT_CSV = "import_not_csv", 415, "An import is a CSV file"
    IMPORT_NOT_TEXT = "import_not_text", 422, "The file is not UTF-8"
    IMPORT_HEADER_INVALID = "import_header_invalid", 422, "Invalid import header"
    IMPORT_TOO_MANY_ROWS = "import_too_many_rows", 422, "The file has too many rows"
    IMPORT_LINE_MALFORMED = "import_line_malformed", 422, "The line is not CSV"
    IMPORT_REFERENCE_REPEATED = "import_reference_repeated", 422, "The reference is repeated"
    IMPORT_DIFFERS = "import_differs", 409, "The loan was imported with other terms"
