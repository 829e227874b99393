"""Why the API of loans refuses by itself; its streams have their own reasons, in `domain`."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    PROJECT_NOT_FOUND = "project_not_found", 404, "Nothing is known of such a project"
    PRODUCT_NOT_FOUND = "product_not_found", 404, "There is no such product"
    STATEMENT_DATES_REVERSED = "statement_dates_reversed", 422, "A statement begins before it ends"

    LABORATORY_CHANGED = "laboratory_changed", 409, "The register says otherwise of the laboratory by now"

    REFERENCE_RATE_PERIOD_INVALID = "reference_rate_period_invalid", 422, "No period that a rate is worked out for"
    REFERENCE_RATE_NOT_PUBLISHED = "reference_rate_not_published", 409, "Not all of it is published yet"

    # imports
    IMPORT_NOT_CSV = "import_not_csv", 415, "An import is a CSV file"
    IMPORT_NOT_TEXT = "import_not_text", 422, "The file is not UTF-8"
    IMPORT_HEADER_INVALID = "import_header_invalid", 422, "Invalid import header"
    IMPORT_TOO_MANY_ROWS = "import_too_many_rows", 422, "The file has too many rows"
    IMPORT_LINE_MALFORMED = "import_line_malformed", 422, "The line is not CSV"
    IMPORT_REFERENCE_REPEATED = "import_reference_repeated", 422, "The reference comes twice"
    IMPORT_DIFFERS = "import_differs", 409, "The loan was imported otherwise"
