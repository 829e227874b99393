"""What a backtest found, as a plain table: a row a partner, a column a policy."""

from collections.abc import Iterable, Sequence

from services.allocation.domain.policies.backtest import BacktestResult, NotDecided, Tried

_G_A_TONNE = 1_000_000


def text_of(tried: Iterable[Tried]) -> str:
    return "\n".join(_case(each) for each in tried)


def _case(tried: Tried) -> str:
    outcomes = [found for found in tried.outcomes.values() if isinstance(found, BacktestResult)]
    offered = f", {tonnes(outcomes[0].offered_g)} offered" if outcomes else ""
    title = f"{tried.case}  {tried.product}  {tried.day}{offered}"
    rows = [["partner", "asks for", *tried.outcomes]]
    partners = sorted({each.partner: None for found in outcomes for each in found.given})
    for partner in partners:
        claim_g = sum(each.claim_g for each in outcomes[0].given if each.partner == partner)
        rows.append([partner, tonnes(claim_g), *(_got(found, partner) for found in tried.outcomes.values())])
    for name, of in (
        ("unused", lambda found: tonnes(found.unused_g)),
        ("days in all", lambda found: found.days_total),
        ("days at least", lambda found: found.days_least),
        ("unevenness", lambda found: found.gini),
    ):
        rows.append([name, "", *("-" if isinstance(found, NotDecided) else of(found) for found in tried.outcomes.values())])
    notes = [f"  {policy}: not decided: {found.why}" for policy, found in tried.outcomes.items() if isinstance(found, NotDecided)]
    return "\n".join([title, *_aligned(rows), *notes, ""])


def tonnes(grams: int) -> str:
    """Exact: "130 t", "0.05 t"."""
    whole, rest = divmod(grams, _G_A_TONNE)
    decimals = f".{rest:06}".rstrip("0") if rest else ""
    return f"{whole:,}{decimals} t"


def _got(found: BacktestResult | NotDecided, partner: str) -> str:
    if isinstance(found, NotDecided):
        return "-"
    own = [each for each in found.given if each.partner == partner]
    days = min((each.days_of_cover for each in own if each.days_of_cover is not None), key=_as_tenths, default=None)
    return tonnes(sum(each.award_g for each in own)) + (f" ({days} d)" if days is not None else "")


def _as_tenths(days: str) -> int:
    return int(days.replace(".", ""))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
