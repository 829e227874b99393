"""`reserve loans schedule`: what it prints, and how it says no."""

import json

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app

ASKED = {"principal": "10000.00", "rate": "12", "start": "2024-01-01", "periods": "6", "every": "1m", "day-count": "30/360"}


def loan_schedule(*more: str, **changes: str) -> Result:
    options = ASKED | {name.replace("_", "-"): value for name, value in changes.items()}
    parts = [part for name, value in options.items() for part in (f"--{name}", value)]
    return CliRunner().invoke(app, ["loans", "schedule", *parts, *more])


def rows(*more: str, **changes: str) -> list[dict[str, str]]:
    result = loan_schedule(*more, "--json", **changes)
    assert result.exit_code == 0, result.stderr
    answer: dict[str, list[dict[str, str]]] = json.loads(result.stdout)
    assert list(answer) == ["rows"]
    return answer["rows"]


def column(name: str, *more: str, **changes: str) -> list[str]:
    return [row[name] for row in rows(*more, **changes)]


def test_a_schedule_is_one_json_object_of_rows_with_amounts_as_text() -> None:
    shown = rows()
    assert shown[0] == {"due": "2024-02-01", "principal": "1625.48", "interest": "100.00", "balance": "8374.52"}
    assert shown[-1] == {"due": "2024-07-01", "principal": "1708.43", "interest": "17.08", "balance": "0.00"}
    assert len(shown) == 6


def test_people_are_shown_a_table() -> None:
    result = loan_schedule()
    assert result.exit_code == 0
    assert "2024-02-01" in result.stdout
    assert "8374.52" in result.stdout


def test_options_may_stand_in_their_shortest_form() -> None:
    options = ["--principal", "100", "--rate", "0", "--start", "2024-01-01", "--periods", "2", "--json"]
    result = CliRunner().invoke(app, ["loans", "schedule", *options])
    assert [row["principal"] for row in json.loads(result.stdout)["rows"]] == ["50.00", "50.00"]


@pytest.mark.parametrize(
    ("options", "principal"),
    [
        ({"kind": "equal_principal"}, ["1666.67"] * 5 + ["1666.65"]),
        ({"kind": "bullet"}, ["0.00"] * 5 + ["10000.00"]),
        ({"kind": "balloon", "balloon": "10000"}, ["0.00"] * 5 + ["10000.00"]),
        ({"kind": "interest_only", "interest_only": "5"}, ["0.00"] * 5 + ["10000.00"]),
        ({"kind": "capitalised", "capitalise": "1", "periods": "2"}, ["-100.00", "10100.00"]),
        ({"kind": "step", "step": "3:2", "rate": "0"}, ["1111.11"] * 3 + ["2222.22"] * 2 + ["2222.23"]),
        ({"instalment": "5100", "rate": "0"}, ["5100.00", "4900.00"]),
    ],
)
def test_each_kind_has_its_options(options: dict[str, str], principal: list[str]) -> None:
    assert column("principal", **options) == principal


def test_a_currency_says_how_many_digits_there_are() -> None:
    assert column("principal", currency="JPY", principal="10000", rate="0", periods="3") == ["3333", "3333", "3334"]
    assert column("principal", currency="KWD", principal="0.002", rate="0", periods="2") == ["0.001", "0.001"]


def test_act_act_is_isdas_whether_that_is_said_or_not() -> None:
    assert rows(day_count="act/act") == rows(day_count="ACT/ACT ISDA") != rows(day_count="ACT/365F")


def test_a_calendar_moves_due_dates_as_most_agreements_do_unless_another_way_is_given() -> None:
    start = "2024-02-29"  # then 29 March, which is Good Friday, and June's is a Saturday
    assert column("due", start=start, periods="4", calendar="AU-NSW")[:2] == ["2024-03-28", "2024-04-29"]
    assert column("due", start=start, periods="4", calendar="AU-NSW")[3] == "2024-06-28"
    assert column("due", start=start, periods="4", calendar="AU-NSW", adjust="following")[3] == "2024-07-01"
    assert column("due", start=start, periods="4", calendar="AU-NSW", adjust="none")[3] == "2024-06-29"


def test_moved_days_count_for_interest_where_that_was_agreed() -> None:
    moved = {"start": "2024-02-29", "calendar": "weekends", "adjust": "following", "day_count": "ACT/365F"}
    assert column("interest", **moved) != column("interest", "--adjust-accrual", **moved)


def test_advances_prepayments_and_resets_stand_between_the_payments() -> None:
    shown = rows(
        *("--advance", "2024-02-01=500", "--prepay", "2024-02-02=100.50", "--prepay", "2024-03-04=200:term", "--reset", "2024-04-01=3.5")
    )
    assert [(row["due"], row["principal"]) for row in shown if row["interest"] == "0.00"] == [
        ("2024-02-01", "-500.00"),
        ("2024-02-02", "100.50"),
        ("2024-03-04", "200.00"),
    ]
    assert shown[-1]["balance"] == "0.00"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"principal": "0"}, "principal"),
        ({"principal": "-5"}, "principal"),
        ({"principal": "1.234"}, "principal"),
        ({"principal": "1e5"}, "principal"),
        ({"principal": "١٢"}, "principal"),
        ({"principal": "9" * 5000}, "principal"),
        ({"principal": "10000.00", "currency": "JPY"}, "principal"),
        ({"rate": "-1"}, "rate"),
        ({"rate": "1000"}, "rate"),
        ({"rate": "100.01"}, "rate"),
        ({"rate": "nan"}, "rate"),
        ({"rate": "1/3"}, "rate"),
        ({"rate": "0." + "1" * 13}, "rate"),
        ({"start": "2024-02-30"}, "start"),
        ({"start": "20240101"}, "start"),
        ({"start": "2999-12-01"}, "periods"),
        ({"start": "9999-12-31"}, "start"),
        ({"periods": "0"}, "periods"),
        ({"periods": "-1"}, "periods"),
        ({"periods": "1201"}, "periods"),
        ({"periods": "six"}, "periods"),
        ({"every": "1d"}, "every"),
        ({"day-count": "ACT/365"}, "day-count"),
        ({"kind": "lottery"}, "kind"),
        ({"kind": "balloon"}, "balloon"),
        ({"kind": "balloon", "balloon": "10000.01"}, "balloon"),
        ({"kind": "step"}, "step"),
        ({"kind": "step", "step": "2"}, "step"),
        ({"kind": "step", "step": "2:0"}, "step"),
        ({"interest-only": "6"}, "interest-only"),
        ({"capitalise": "6"}, "capitalise"),
        ({"instalment": "100"}, "instalment"),
        ({"calendar": "XX"}, "calendar"),
        ({"adjust": "following"}, "calendar"),
        ({"calendar": "AU", "adjust": "sideways"}, "adjust"),
        ({"advance": "500"}, "advance"),
        ({"advance": "2023-12-31=500"}, "advance"),
        ({"prepay": "2024-02-01=10000"}, "prepay"),
        ({"prepay": "2024-02-01=1:all"}, "prepay"),
        ({"reset": "2024-02-01=-1"}, "reset"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "aud"}, "currency"),
    ],
)
def test_the_field_at_fault_is_named_in_one_line(changes: dict[str, str], field: str) -> None:
    result = loan_schedule("--json", **changes)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"reserve: {field}: ")
    assert "(accepted: " in result.stderr
    assert result.stderr.count("\n") == 1
