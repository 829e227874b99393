"""console: the pages that the Reserve's own people work in. A client of the other services, with its reader's token; it keeps nothing."""
