"""What breaks a rule of `test_tidy.py` and has a reason. The list may only shrink: what breaks nothing any more fails the test."""

_CALLED_BY_FASTAPI = "a route: FastAPI reads its parameters one by one, and each is documented so"
_CALLED_BY_TYPER = "a command: typer reads its options one by one, and makes --help of them"
_MATHEMATICS = "a formula: each parameter is one of its letters"
_SHARED_STORY = "until what several tests share is in tests/stories"

# {rule: {place: why it may}}
EXCEPTIONS: dict[str, dict[str, str]] = {
    "long_files": {
        "shared/delivery/inbox.py": "`Inbox`, see there",
        "shared/http/direct.py": "the shortest way from socket to answer, read and measured as a whole",
        "shared/journal/postgres.py": "the append and its SQL, which are tuned and read side by side",
    },
    "long_classes": {
        "shared/delivery/inbox.py::Inbox": "a line is one machine over one cursor: its parts would share all of it",
    },
    "long_functions": {
        "services/allocation/domain/book/evolve.py::evolve": "one `match` over the events of the book, a branch each, in the hottest path",
        "services/loans/domain/loan/decider.py::evolve": "one `match` over the events of a loan: a branch each",
        "shared/journal/tables.py::first": "the statements of a first revision, in their order; it never changes again",
    },
    "many_parameters": {
        "reserve/__main__.py::allocate": _CALLED_BY_TYPER,
        "reserve/__main__.py::approve": _CALLED_BY_TYPER,
        "reserve/__main__.py::loan_schedule": _CALLED_BY_TYPER,
        "reserve/audits.py::verify_audit": _CALLED_BY_TYPER,
        "reserve/audit/authority.py::_needs": "what an act was of, by name and with defaults",
        "services/allocation/api/clocks/clocks.py::list_clocks": _CALLED_BY_FASTAPI,
        "services/allocation/domain/decisions/proposal.py::prepare": "all that a decision is made of, given once",
        "services/allocation/domain/decisions/supply.py::_offer": "the steps of one calculation hand all that they found on to its last",
        "services/allocation/domain/rules/families.py::entitle": _MATHEMATICS,
        "services/allocation/domain/rules/families.py::solve": _MATHEMATICS,
        "services/ledger/api/books.py::list_balances": _CALLED_BY_FASTAPI,
        "services/ledger/api/log.py::show_receipt": _CALLED_BY_FASTAPI,
        "services/ledger/api/log.py::read_source_journal": _CALLED_BY_FASTAPI,
        "services/loans/api/standing/statements.py::show_statement": _CALLED_BY_FASTAPI,
        "services/loans/domain/standing/periods.py::planned": _MATHEMATICS,
        "services/loans/domain/standing/schedule.py::_grid": "its parameters are the key of its cache",
        "shared/process/service.py::subscription": "makes the struct: its parameters are the struct's fields, with their defaults",
        "shared/writer/batch.py::__init__": "made by the writer alone, for each batch: a struct would be one more object each time",
        "shared/writer/writer.py::__init__": "made once, by the kernel; each is a part with a default that a test exchanges",
    },
    "words_of_features": {
        "services/allocation/projections/tasks": "raised alike by clocks, readiness, reports and screening; no rule decides about a task",
        "services/ledger/api/books": "the ledger's rules are its postings: its domain has the log alone",
        "services/ledger/api/callers": "the ledger's rules are its postings: its domain has the log alone",
    },
    "domain_words_in_the_kernel": {
        "shared/http/auth.py": "`nominee` is a claim of a token, like `partner`: for whom a caller acts",
    },
}

# Phrases that read as translated, in what a caller reads: so many are left in each file.
TRANSLATED = {
    "services/allocation/domain/authority/instrument.py": 3,
    "services/loans/api/material/loans.py": 1,
}
