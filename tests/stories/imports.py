"""An import file, as a spreadsheet writes it."""

import csv
import io

LINE = {
    "reference": "OLD-7",
    "as_of": "2026-06-30",
    "advanced": "1000.00",
    "repaid": "250.50",
    "account": "commercial",
    "instrument": "direction 1/2020",
    "borrower": "hillgrove-mines",
    "project": "hillgrove",
    "elements": "Sb Au",
    "currency": "AUD",
    "commitment": "1200.00",
    "security": 'a charge, "first" of two\nkinds',
    "base_pct": "10",
    "margin_pct": "2",
    "available_from": "2020-01-01",
    "available_until": "2027-12-31",
    "sunset_on": "2026-12-31",
    "schedule_kind": "equal",
    "schedule_start": "2026-06-30",
    "schedule_every": "1m",
    "schedule_periods": "12",
    "schedule_day_count": "30/360",
    "dscr": "1.30",
    "kyc": "kyc-1",
}


def file_of(*lines: dict[str, str], columns: tuple[str, ...] = ()) -> bytes:
    columns = columns or tuple(dict.fromkeys(column for line in (LINE, *lines) for column in line))
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(columns)
    writer.writerows([[line.get(column, "") for column in columns] for line in lines])
    return written.getvalue().encode()
