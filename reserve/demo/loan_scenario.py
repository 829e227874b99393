"""Scenario: what the Facility lends to a mine, and what the Reserve lends to a partner. Every figure, term and price is invented.

Hillgrove is a real project and stands here as a borrower's name only; its output, its offtakes and this loan are made up.
"""

from datetime import date

from reserve.demo.scenario import ANTIMONY, KG, PORT_SELBY, Product, T

DOLLARS = 100  # minor units
MILLION = 1_000_000 * DOLLARS

# the Facility, and its loan to a mine

FACILITY = "cmf"
FACILITY_ACT = "Facility guidelines 2026 (invented)"
FACILITY_LIMITS = (  # (what, within what, at most)
    ("total", None, 4_000 * MILLION),
    ("instrument/loan", "total", 3_000 * MILLION),
    ("instrument/equity", "total", 1_000 * MILLION),
    ("account/national_interest", "total", 3_500 * MILLION),
    ("project/hillgrove", "total", 100 * MILLION),
    ("element/Sb", "total", 400 * MILLION),
)

BORROWER, PROJECT = "hillgrove-mines", "hillgrove"
PROJECT_NAME = "Hillgrove"  # as inventory calls it
COMMITMENT_MINOR = 60 * MILLION
BEYOND_ITS_LIMIT_MINOR = 150 * MILLION
RECOVERED = "3/5"  # of what is owed, in the what-if of a default

DAY_OF_LOAN = date(2026, 2, 9)
AVAILABLE_UNTIL = date(2026, 8, 31)
SUNSET_ON = date(2026, 5, 29)
FIRST_DUE, SECOND_DUE, THIRD_DUE = date(2026, 5, 11), date(2026, 8, 10), date(2026, 11, 9)
DAY_OF_REMINDER = date(2026, 8, 31)  # three weeks after the second instalment
DAY_OF_DELIVERY = date(2026, 11, 5)

CONCENTRATE = "antimony-concentrate"
CONCENTRATE_CONTENT = "0.55"
OUTPUT_G = 10_000 * T
SOLD_ELSEWHERE_G = 5_000 * T
RIGHT_G = 3_200 * T
DELIVERED_UNITS, CONCENTRATE_UNIT_G = 500, T
BASIS_MINOR = "3.2"  # a contained gram of antimony: A$32 a kilogram

PAYEE = {"borrower": BORROWER, "holder": "Hillgrove Mines (invented)", "bank": "a bank in Armidale, 032-000", "account": "1234 5678"}
LOAN_TERMS = {
    "facility": FACILITY,
    "account": "national_interest",
    "instrument": FACILITY_ACT,
    "borrower": BORROWER,
    "project": PROJECT,
    "elements": ["Sb"],
    "commitment_minor": COMMITMENT_MINOR,
    "security": "first charge over mine and plant",
    "base_rate": "BBSW 3M, as quoted (invented)",
    "base_pct": "4.1",
    "margin_pct": "3.4",
    "default_margin_pct": "2",
    "commitment_fee_pct": "1",
    "available_from": DAY_OF_LOAN.isoformat(),
    "available_until": AVAILABLE_UNTIL.isoformat(),
    "sunset_on": SUNSET_ON.isoformat(),
    "schedule": {
        "kind": "equal_principal",
        "start": DAY_OF_LOAN.isoformat(),
        "every": "3m",
        "periods": 4,
        "day_count": "ACT/365F",
        "calendar": "AU-NSW",
    },
    "precedents": [
        {
            "name": "offtake",
            "text": "80% of output under binding offtake",
            "condition": {"type": "share_at_least", "part": "offtake", "whole": "output", "share": "4/5"},
        },
        {
            "name": "overrun",
            "text": "a cost-overrun facility is signed",
            "condition": {"type": "shown", "kind": "cost_overrun_facility"},
        },
    ],
    "covenants": [{"kind": "dscr", "minimum": "1.30"}],
    "grade": "BB",
    "kyc": "check 2026-117",
    "category": "A",
}

# the Reserve's own loan, in metal

LENDING = "lending"
LENT_TO = "EU"
LENDING_LIMITS = (("total", None, 20 * MILLION), ("partner/EU", "total", 2 * MILLION), ("element/Sb", "total", 10 * MILLION))
PRICE_MINOR, RISEN_PRICE_MINOR = "7.5", "9.75"  # a contained gram of antimony
OWN_PRICE_MINOR = "0.1"  # that somebody would like it settled at

LENT: Product = ANTIMONY
LENT_G = 20 * T
DAILY_G = 10 * T
NEEDED_BY = date(2026, 12, 15)
RETURN_ON = date(2027, 6, 30)  # as the partner asks: terms may say earlier
DUE_ON, DEFERRED_TO = date(2027, 3, 31), date(2027, 5, 31)
DAY_OF_MATERIAL_TERMS = date(2026, 11, 10)
DAY_OF_DEFERRAL, DAY_OF_RETURN = date(2027, 3, 25), date(2027, 5, 20)
OUTAGE = "smelter_outage"
NOT_NAMED = "price_rise"
TOP_UP_MINOR = 600_000 * DOLLARS

MATERIAL_TERMS = {
    "facility": LENDING,
    "element": "Sb",
    "due_on": DUE_ON.isoformat(),
    "return_place": PORT_SELBY,
    "premium": {"base_pct": "1", "step_pct": "0.5", "step_days": 30},
    "splitting_limit": "0.0002",
    "security": {"kind": "letter_of_credit", "value_minor": 18 * MILLION // 10, "haircut": "1/10", "required_cover": "1.05"},
    "deferral_conditions": [OUTAGE, "port_closed"],
    "deferral_pct": "1",
    "cash_basis": "the mean of the month's quotations (invented)",
}

RETURN_UNITS, REJECTED_UNITS = 3, 1
RETURN_UNIT_G = 5_000 * KG
REJECTED_CONTENT = "0.9931"
OWN_CONTENT, INDEPENDENT_CONTENT, UMPIRE_CONTENT = "0.9970", "0.9965", "0.9966"  # of what comes back, which was lent at 0.9985
