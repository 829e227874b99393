"""`reserve allocate`: the allocation rules as a calculator, with no server."""

from collections.abc import Mapping

import msgspec
from rich.console import Console
from rich.table import Table

from services.allocation.domain.rules import Claim, Method, Pool, RuleInputError, apportion
from services.allocation.domain.rules.claims import require_whole
from services.commands.failure import fail


class Awarded(msgspec.Struct, frozen=True):
    """Grams by claimant, and what nobody could be given."""

    awards: dict[str, int]
    left: int


def work_out(rule: str, supply: str, claims: str, unit: str) -> Awarded:
    """Quantities are grams, as typed; `claims` is "a=50,b=100". Ends the command for anything else."""
    wanted = _claims(claims)
    try:
        unit_g, supply_g = _grams("unit", unit), _grams("supply", supply)
        require_whole("unit", unit_g, least=1)
        require_whole("supply", supply_g)
        pool = Pool(id="all", units={unit_g: supply_g // unit_g})
        result = apportion(Method(rule), [pool], [Claim(name, grams) for name, grams in wanted.items()])
    except RuleInputError as error:
        fail(f"{error.field}: {error.detail} (accepted: {error.accepted})")
    awards = {share.claim.id: share.award_g for share in result.shares}
    return Awarded({name: awards[name] for name in wanted}, supply_g - sum(awards.values()))  # in the order in which they were asked


def table(rule: str, claims: str, awarded: Awarded) -> Table:
    wanted = _claims(claims)
    shown = Table(title=f"{rule}, in grams", caption=f"{awarded.left:,} g left")
    shown.add_column("claimant")
    for column in ("claim", "award", "met"):
        shown.add_column(column, justify="right")
    for name, award in awarded.awards.items():
        shown.add_row(name, f"{wanted[name]:,}", f"{award:,}", f"{award / wanted[name]:.1%}" if wanted[name] else "-")
    return shown


def show(rule: str, claims: str, awarded: Awarded) -> None:
    Console().print(table(rule, claims, awarded))


def _claims(text: str) -> Mapping[str, int]:
    claims: dict[str, int] = {}
    for part in text.split(","):
        name, equals, grams = (piece.strip() for piece in part.partition("="))
        if not name or not equals:
            fail(f"claims: {part.strip()!r} is no claim (accepted: name=grams, such as a=50,b=100)")
        if name in claims:
            fail(f"claims: {name!r} comes twice (accepted: each id once)")
        claims[name] = _grams(f"claims.{name}", grams)
    return claims


def _grams(field: str, text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 20:
        fail(f"{field}: {text!r} is not a whole number of grams (accepted: digits only)")
    return int(text)
