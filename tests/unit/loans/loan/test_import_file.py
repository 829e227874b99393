"""Import files: each line that can be read is a loan's terms; each that cannot says why, and stops no other."""

from datetime import date

import pytest

from services.loans.api.loan.import_file import MAX_ROWS, Fault, ImportBody, ImportRow, column_of, read_rows
from services.loans.main import SERVICE
from shared.http.problems import Problem, register
from tests.stories.imports import LINE, file_of

register(SERVICE.refusals)


def row(**changes: str) -> ImportRow:
    (found,) = read_rows(file_of(LINE | changes))
    return found


def body(**changes: str) -> ImportBody:
    content = row(**changes).content
    assert isinstance(content, ImportBody), content
    return content


def fault(**changes: str) -> Fault:
    content = row(**changes).content
    assert isinstance(content, Fault), content
    return content


def refused(content: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        list(read_rows(content))
    return caught.value


def test_a_line_is_a_loan_as_it_stands():
    told = body()
    terms = told.terms()
    assert (told.reference, told.as_of, told.advanced_minor, told.repaid_minor) == ("OLD-7", date(2026, 6, 30), 100_000, 25_050)
    assert (terms.commitment_minor, terms.elements, terms.security) == (120_000, ("Sb", "Au"), 'a charge, "first" of two\nkinds')
    assert (terms.schedule.kind, terms.schedule.periods, terms.schedule.every) == ("equal", 12, "1m")
    assert [(each.kind, each.minimum) for each in terms.covenants] == [("dscr", "1.30")]
    assert (terms.facility, terms.grade, terms.precedents) == ("cmf", "BB", ())  # left out


@pytest.mark.parametrize(
    ("currency", "written", "minor"), [("AUD", "12.5", 1_250), ("JPY", "1250", 1_250), ("KWD", "1.250", 1_250), ("AUD", "0", 0)]
)
def test_an_amount_has_the_digits_of_its_currency(currency: str, written: str, minor: int):
    assert body(currency=currency, repaid=written, advanced=written, commitment="1250").repaid_minor == minor


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"commitment": "1.005"}, "amount_invalid", "commitment"),
        ({"commitment": "1,000.00"}, "amount_invalid", "commitment"),
        ({"commitment": "1e6"}, "amount_invalid", "commitment"),
        ({"repaid": "-1"}, "amount_invalid", "repaid"),
        ({"currency": "JPY", "advanced": "1.50"}, "amount_invalid", "advanced"),
        ({"currency": "XXX"}, "amount_invalid", "currency"),
        ({"commitment": "0"}, "invalid_request", "commitment"),
        ({"reference": ""}, "invalid_request", "reference"),
        ({"reference": "Ü-1"}, "invalid_request", "reference"),
        ({"as_of": "30/06/2026"}, "invalid_request", "as_of"),
        ({"as_of": "2026-02-30"}, "invalid_request", "as_of"),
        ({"base_pct": "10%"}, "invalid_request", "base_pct"),
        ({"schedule_kind": "annuity"}, "invalid_request", "schedule_kind"),
        ({"schedule_periods": "twelve"}, "invalid_request", "schedule_periods"),
        ({"schedule_periods": "0"}, "invalid_request", "schedule_periods"),
        ({"elements": "Antimony"}, "invalid_request", "elements"),
        ({"dscr": "0"}, "invalid_request", "dscr"),
        ({"account": "private"}, "invalid_request", "account"),
    ],
)
def test_a_line_that_cannot_be_says_which_column_is_at_fault(changes: dict[str, str], code: str, field: str):
    found = fault(**changes)
    assert (found.code, found.field) == (code, field)
    assert found.detail


def test_a_bad_line_stops_no_other_and_each_has_the_line_where_it_begins():
    head, good, _ = file_of(LINE | {"security": "none"}).split(b"\r\n")
    content = b"\r\n".join(
        (head, good, b"", b'OLD-8,"a"b,x', b"OLD-9,too,short", file_of(LINE).split(b"\r\n", 1)[1], good, b'OLD-10,"open')
    )
    found = list(read_rows(content))
    assert [(each.line, isinstance(each.content, ImportBody)) for each in found] == [
        (2, True),
        (4, False),
        (5, False),
        (6, True),  # on two lines
        (9, True),
        (10, False),
    ]
    assert [each.content.code for each in found if isinstance(each.content, Fault)] == ["import_line_malformed"] * 3
    assert found[2].reference == "OLD-9"


def test_a_byte_order_mark_and_other_line_ends_are_read_too():
    content = b"\xef\xbb\xbf" + file_of(LINE | {"security": "none"}).replace(b"\r\n", b"\n")
    assert [each.line for each in read_rows(content)] == [2]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "import_header_invalid", "no header"),
        (file_of(LINE, columns=("reference", *LINE)), "import_header_invalid", "reference comes twice"),
        (file_of(LINE, columns=(*LINE, "colour")), "import_header_invalid", "'colour'"),
        (file_of(LINE, columns=tuple(LINE)[1:]), "import_header_invalid", "reference is missing"),
        (file_of(LINE).replace(b"hillgrove-mines", b"\xe9"), "import_not_text", "line 2"),
        (file_of(LINE).replace(b"kyc-1", b"kyc\x00"), "nul_in_text", "NUL"),
        (file_of(*[LINE] * (MAX_ROWS + 1)), "import_too_many_rows", f"row {MAX_ROWS + 1}"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: bytes, code: str, words: str):
    problem = refused(content)
    assert problem.code == code
    assert words in problem.detail


def test_a_pointer_into_the_terms_is_a_column():
    named = ("/commitment_minor", "/schedule/balloon_minor", "/schedule/kind", "/as_of", "/covenants/0/minimum", None)
    assert [column_of(each) for each in named] == ["commitment", "schedule_balloon", "schedule_kind", "as_of", "dscr", None]
