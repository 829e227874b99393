"""Page: the report as one HTML file that stands alone: no script, no font and no picture of elsewhere."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reserve.audit.report import IN_A_BUNDLE, OVER_HTTP, Check, CheckResult, Report
from reserve.report.charts import course_of, flow_of
from reserve.report.gathered import MOST_OF_A_FLOW, Gathered, Group, holder_of
from shared.terms.currencies import money

_HERE = Path(__file__).parent


def page_of(report: Report, told: Gathered, *, origin: str, bundle: str) -> str:
    """`bundle`: the bundle's hash, by which it is known."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"mass": mass, "count": "{:,}".format, "anchor": anchor}
    return environment.get_template("report.html").render(
        report=report,
        told=told,
        origin=origin,
        bundle=bundle,
        most=MOST_OF_A_FLOW,
        style=(_HERE / "report.css").read_text(),
        products=[_product(told, asset) for asset in sorted({asset for asset, _ in told.balances if asset == asset.lower()})],
        contained=_holdings(told, "contained/"),
        money=_money(told),
        cover=_cover(told),
        unchecked=[check.value for check in (*OVER_HTTP, *IN_A_BUNDLE) if not _was_checked(report, check)],
        sections=list(_appendix(told)),
        listed=[(each.check.replace("_", " "), found) for each in report.checks for found in each.listed],
    )


def mass(grams: int) -> str:
    """12.5 t, 1,600 kg or 80 g, exact: nothing is rounded."""
    size, unit = next(((size, unit) for size, unit in ((1_000_000, "t"), (1_000, "kg")) if abs(grams) >= size), (1, "g"))
    return f"{(Decimal(grams) / size).normalize():,f}\N{NO-BREAK SPACE}{unit}"


def anchor(*parts: str) -> str:
    """Of a section of the appendix."""
    return "-".join("".join(letter if letter.isalnum() else "-" for letter in part) for part in parts)


def _was_checked(report: Report, check: Check) -> bool:
    return any(result.check == check.name.lower() and _counts(result) for result in report.checks)


def _counts(result: CheckResult) -> bool:
    return result.checked > 0 or result.failed > 0


def _product(told: Gathered, asset: str) -> dict[str, Any]:
    """What came, and where it is. Rights to future deliveries are no metal yet, and stand apart."""
    held: dict[str, int] = {}
    promised = rights = 0
    for (of, account), (posted, pending) in told.balances.items():
        if of != asset:
            continue
        if account.startswith("right/") or account.endswith("/rights"):
            rights += posted
        else:
            name = "projects, under rights" if account.startswith("project/") else holder_of(account)
            held[name] = held.get(name, 0) + posted
        promised += pending if "/release/" in account else 0
    if rights:
        held["projects, under rights"] = held.get("projects, under rights", 0) + rights  # what they have still to deliver did not come
    rows = sorted(held.items(), key=lambda row: -abs(row[1]))
    came, went = [(name, -amount) for name, amount in rows if amount < 0], [row for row in rows if row[1] > 0]
    flows = [(source, target, group) for (of, source, target), group in told.flows.items() if of == asset]
    return {
        "name": asset,
        "rights": rights,
        "promised": promised,
        "moved": [(kind, told.promised.get((asset, kind), Group())) for kind in ("released", "drawn", "lapsed")],
        "flows": sorted(flows, key=lambda row: -row[2].amount),
        "flow": flow_of(came, went) if came and went else None,
        "course": course_of(told.days.get(asset, {}), ("released", "drawn")),
        "available": held.get("the Reserve, available", 0),
        "partners": [row for row in went if len(row[0]) == 2],
    }


def _holdings(told: Gathered, prefix: str) -> list[tuple[str, str, int, int]]:
    return [(asset, account, *amounts) for (asset, account), amounts in told.balances.items() if asset.startswith(prefix)]


def _money(told: Gathered) -> list[tuple[str, str, str]]:
    """(account, posted, pending)."""
    rows = [(asset, account, amounts) for (asset, account), amounts in told.balances.items() if asset.isalpha() and asset.isupper()]
    return [(account, money(posted, asset), money(pending, asset)) for asset, account, (posted, pending) in rows]


def _cover(told: Gathered) -> list[tuple[str, str, int, int, str, str]]:
    """(product, partner, awards, mass, fewest days, most days)."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for award in told.awards:
        rows.setdefault((award.product, award.partner), []).append(award)
    return [
        (
            product,
            partner,
            len(awards),
            sum(each.mass_g for each in awards),
            *(pick(awards, key=lambda each: Decimal(each.days)).days for pick in (min, max)),
        )
        for (product, partner), awards in sorted(rows.items())
    ]


def _appendix(told: Gathered) -> list[tuple[str, str, Group]]:
    """(anchor, title, events) of each number that has events behind it."""
    return [
        *((anchor(asset, kind), f"{asset}: {kind}", group) for (asset, kind), group in told.promised.items()),
        *((anchor(*key), f"{key[0]}: from {key[1]} to {key[2]}", group) for key, group in told.flows.items() if key[0] == key[0].lower()),
    ]
