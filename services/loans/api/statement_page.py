"""A statement as a page for print: plain, in A4, with nothing from elsewhere and no script."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from services.loans.domain.currencies import MINOR_DIGITS, decimal_text

_STYLE = """
@page { size: A4; margin: 18mm 15mm; }
body { font: 10.5pt/1.45 system-ui, sans-serif; color: #111; max-width: 180mm; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 15pt; margin: 0 0 .2em; }
h2 { font-size: 11pt; margin: 1.6em 0 .4em; }
p { margin: .2em 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #ccc; }
th.amount, td.amount { text-align: right; padding-right: 0; padding-left: .8em; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
.note { color: #444; font-size: 9pt; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS = {
    "Vary": "Accept",
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'",
}

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
        f"<h1>Reserve: {_text(title)}</h1>",
        f"<p>Borrower {_text(statement['borrower'])}, project {_text(statement['project'])}, of {_text(statement['facility'])}</p>",
        f"<p>In {_text(_unit(currency))}, {_text(_known(statement))}.</p>",
        "<h2>Figures</h2>",
        _table(
            ("", "#before", "#after"),
            (
                (words, _amount(statement["opening"][name], currency), _amount(statement["closing"][name], currency))
                for name, words in _FIGURES
            ),
        ),
        "<h2>Lines</h2>",
        _table(("Day", "What", "#Amount", "#Owed after it"), (_line(line, currency) for line in statement["lines"])),
        '<p class="note">Owed: what is advanced or billed and not paid, less credit. * Told after the last day of this statement.</p>',
        "<h2>Sums of the period</h2>",
        _table(
            ("Account", "#Change"),
            ((words, _amount(statement["sums"][name], currency)) for name, words in _SUMS if statement["sums"].get(name)),
        ),
        '<p class="note">Debits of the lender are above zero, credits below; together they are zero.</p>',
    ]
    if statement["corrections"]:
        parts += [
            "<h2>Told in the period, of earlier days</h2>",
            _table(
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
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n{chr(10).join(parts)}\n</body>\n</html>\n"
    )


def _line(line: Mapping[str, Any], currency: str) -> tuple[str, ...]:
    what = _with(_KINDS[line["kind"]], line["text"]) + (" *" if line["told_late"] else "")
    return str(line["on"]), what, _amount(line["amount_minor"], currency), _amount(line["owed_minor"], currency)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A heading that begins with # is of amounts."""
    amounts = [name.startswith("#") for name in head]
    names = "".join(_cell("th", name.removeprefix("#"), right) for name, right in zip(head, amounts, strict=True))
    lines = ("".join(_cell("td", text, right) for text, right in zip(row, amounts, strict=True)) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(tag: str, text: str, is_amount: bool) -> str:
    return f"<{tag}{' class="amount"' if is_amount else ''}>{_text(text)}</{tag}>"


def _amount(amount_minor: int | None, currency: str) -> str:
    """With the digits that the currency has, in groups of three."""
    if amount_minor is None:
        return ""
    whole, point, digits = (decimal_text(amount_minor, currency) if currency in MINOR_DIGITS else str(amount_minor)).partition(".")
    sign = "-" if whole.startswith("-") else ""  # of -0.50 too
    return f"{sign}{int(whole.removeprefix('-')):,}{point}{digits}"


def _unit(currency: str) -> str:
    return currency if currency in MINOR_DIGITS else f"minor units of {currency}"


def _known(statement: Mapping[str, Any]) -> str:
    known_at = statement["known_at"]
    return "by all that is known now" if known_at is None else f"as it was known at {known_at.isoformat()}"


def _with(words: str, text: str | None) -> str:
    return words if text is None else f"{words}: {text}"


def _text(text: str) -> str:
    return escape(text, quote=True)
