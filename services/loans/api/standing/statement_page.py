"""A statement as a page for print."""

from collections.abc import Mapping
from typing import Any

from shared.http.print_page import heading, note, page, paragraph, table
from shared.terms.currencies import MINOR_DIGITS, decimal_text

_FIGURES = (
    ("advanced_minor", "Advanced"),
    ("repaid_minor", "Principal repaid"),
    ("principal_minor", "Principal owed"),
    ("interest_minor", "Interest billed and not paid"),
    ("default_interest_minor", "Default interest billed and not paid"),
    ("fees_minor", "Fees not paid"),
    ("accrued_minor", "Accrued and not billed yet"),
    ("credit_minor", "Credit of the borrower"),
    ("due_minor", "Due by then"),
    ("overdue_minor", "Of that overdue"),
)
_SUMS = (
    ("cash_minor", "Received, less paid out"),
    ("goods_minor", "Received in goods"),
    ("principal_minor", "Principal"),
    ("interest_minor", "Interest"),
    ("default_interest_minor", "Default interest"),
    ("fees_minor", "Fees"),
    ("credit_minor", "Credit of the borrower"),
    ("interest_income_minor", "Interest charged"),
    ("default_interest_income_minor", "Default interest charged"),
    ("fee_income_minor", "Fees charged"),
    ("written_off_minor", "Written off, less recovered"),
)
_KINDS = {
    "billed": "Billed at the period's end",
    "advance": "Advance",
    "payment": "Payment",
    "delivery": "Delivery in kind",
    "recovery": "Recovery",
    "fee": "Fee",
    "written_off": "Written off",
    "brought_forward": "Brought forward",
    "rate": "Another rate",
    "rescheduled": "Another schedule",
    "commitment_reduced": "Commitment reduced",
}


def page_of(statement: Mapping[str, Any]) -> str:
    """The page of a `StatementView`, as a mapping."""
    currency = statement["currency"]
    title = f"Statement of {statement['loan']}, {statement['since']} to {statement['until']}"
    parts = [
        paragraph(f"Borrower {statement['borrower']}, project {statement['project']}, of {statement['facility']}"),
        paragraph(f"In {_unit(currency)}, {_known(statement)}."),
        heading("Figures"),
        table(
            ("", "#before", "#after"),
            (
                (words, _amount(statement["opening"][name], currency), _amount(statement["closing"][name], currency))
                for name, words in _FIGURES
            ),
        ),
        heading("Lines"),
        table(("Day", "What", "#Amount", "#Owed after it"), (_line(line, currency) for line in statement["lines"])),
        note("Owed: what is advanced or billed and not paid, less credit. * Told after the last day of this statement."),
        heading("Sums of the period"),
        table(
            ("Account", "#Change"),
            ((words, _amount(statement["sums"][name], currency)) for name, words in _SUMS if statement["sums"].get(name)),
        ),
        note("Debits of the lender are above zero, credits below; together they are zero."),
    ]
    if statement["corrections"]:
        parts += [
            heading("Told in the period, of earlier days"),
            table(
                ("Told on", "For", "What", "#Amount"),
                (
                    (
                        str(each["recorded_on"]),
                        str(each["on"]),
                        _with(each["kind"].replace("_", " "), each["text"]),
                        _amount(each["amount_minor"], currency),
                    )
                    for each in statement["corrections"]
                ),
            ),
        ]
    return page(title, parts)


def _line(line: Mapping[str, Any], currency: str) -> tuple[str, ...]:
    what = _with(_KINDS[line["kind"]], line["text"]) + (" *" if line["told_late"] else "")
    return str(line["on"]), what, _amount(line["amount_minor"], currency), _amount(line["owed_minor"], currency)


def _amount(amount_minor: int | None, currency: str) -> str:
    """With the digits that the currency has, in groups of three."""
    if amount_minor is None:
        return ""
    return decimal_text(amount_minor, currency, grouped=True) if currency in MINOR_DIGITS else f"{amount_minor:,}"


def _unit(currency: str) -> str:
    return currency if currency in MINOR_DIGITS else f"minor units of {currency}"


def _known(statement: Mapping[str, Any]) -> str:
    known_at = statement["known_at"]
    return "by all that is known now" if known_at is None else f"as it was known at {known_at.isoformat()}"


def _with(words: str, text: str | None) -> str:
    return words if text is None else f"{words}: {text}"
