"""`reserve allocate`: the allocation rules as a calculator, with no server."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from reserve.commands.failure import fail
from reserve.commands.working import explain
from services.allocation.domain.rules import (
    RULES,
    Claim,
    Group,
    IepFigures,
    Method,
    Pool,
    RuleInputError,
    apportion,
    counted_g,
    group_of,
    largest_restraint,
    rational,
    right_g,
)
from services.allocation.domain.rules.claims import require_whole
from shared.journal.record import MAX_INTEGER


class Asked(msgspec.Struct, frozen=True):
    """The command's options, as typed; quantities are grams."""

    rule: str
    supply: str  # "100", or units of several sizes: "5000000x10,50000x7"
    claims: str  # "a=50,b=100"
    unit: str = "1"
    inside: str = ""  # "talmud", or by class: "0=talmud,1=pro_rata"
    classes: str = ""
    caps: str = ""
    minimums: str = ""
    carries: str = ""
    positions: str = ""  # "a=base:commitment:production:imports"
    restraint: str = ""


class Awarded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Grams by claimant, and what nobody could be given. `working`: step by step, where it was asked for."""

    awards: dict[str, int]
    left: int
    working: list[str] | None = None


def work_out(asked: Asked, *, explained: bool = False) -> Awarded:
    """Ends the command for anything that no rule takes."""
    supply_g, pool = _supply(asked.supply, asked.unit)
    wanted = _by_name("claims", asked.claims, _grams)
    try:
        method = _method(asked)
        group, rights = _rights(asked, method)
        claims = _claims(asked, wanted, rights, sorted(pool.units, reverse=True))
        result = apportion(method, [pool], claims)
    except RuleInputError as error:
        fail(f"{error.field}: {error.detail} (accepted: {error.accepted})")
    awards = {share.claim.id: share.award_g for share in result.shares}
    left_g = supply_g - sum(awards.values())
    working = [*explain(method, result, group, rights), f"{left_g:,} g are left"] if explained else None
    return Awarded({name: awards[name] for name in wanted}, left_g, working)


def table(asked: Asked, awarded: Awarded) -> Table:
    wanted = _by_name("claims", asked.claims, _grams)
    shown = Table(title=f"{asked.rule}, in grams", caption=f"{awarded.left:,} g left")
    shown.add_column("claimant")
    for column in ("claim", "award", "met"):
        shown.add_column(column, justify="right")
    for name, award in awarded.awards.items():
        shown.add_row(name, f"{wanted[name]:,}", f"{award:,}", f"{award / wanted[name]:.1%}" if wanted[name] else "-")
    return shown


def show(asked: Asked, awarded: Awarded) -> None:
    Console().print(table(asked, awarded))
    for line in awarded.working or ():
        typer.echo(line)


def _supply(text: str, unit: str) -> tuple[int, Pool]:
    """(grams, the whole units that they make up)."""
    try:
        if "x" not in text:
            unit_g, supply_g = _grams("unit", unit), _grams("supply", text)
            require_whole("unit", unit_g, least=1)
            require_whole("supply", supply_g)
            return supply_g, Pool(id="all", units={unit_g: supply_g // unit_g})
        if unit != "1":
            fail(f"unit: {unit} was given, and the supply gives unit sizes too (accepted: one of the two)")
        units: dict[int, int] = {}
        for part in text.split(","):
            size, _, count = (piece.strip() for piece in part.partition("x"))
            unit_g = _grams("supply", size)
            if unit_g in units:
                fail(f"supply: {size} g comes twice (accepted: each unit size once)")
            units[unit_g] = _grams("supply", count)
            require_whole("supply", unit_g, least=1)
        return sum(unit_g * count for unit_g, count in units.items()), Pool(id="all", units=units)
    except RuleInputError as error:
        fail(f"{error.field}: {error.detail} (accepted: {error.accepted})")


def _method(asked: Asked) -> Method:
    if "=" not in asked.inside:
        inside = {"": asked.inside.strip()} if asked.inside else {}
    else:
        inside = _by_name("inside", asked.inside, lambda _, text: text)
    if inside and asked.rule in RULES and not RULES[asked.rule].by_class:
        fail(f"inside: {asked.rule} has no classes (accepted: with --rule priority alone)")
    if asked.classes and asked.rule in RULES and not RULES[asked.rule].by_class:
        fail(f"classes: {asked.rule} has no classes (accepted: with --rule priority alone)")
    if bad := [tier for tier in inside if tier and not tier.isdigit()]:
        fail(f"inside: {bad[0]!r} is no class (accepted: class=rule, such as 0=talmud)")
    return Method(asked.rule, inside)


def _claims(asked: Asked, wanted: Mapping[str, int], rights: Mapping[str, Fraction], sizes: Sequence[int]) -> list[Claim]:
    caps = _of_claimants("caps", asked.caps, _grams, wanted)
    minimums = _of_claimants("minimums", asked.minimums, _grams, wanted)
    carries = _of_claimants("carries", asked.carries, _rational, wanted)
    classes = _of_claimants("classes", asked.classes, _grams, wanted)
    if classes and (unlisted := [name for name in wanted if name not in classes]):
        fail(f"classes: {unlisted[0]!r} has none (accepted: one for each claimant)")
    for name, carry_g in carries.items():
        if abs(carry_g) > sizes[0]:
            fail(f"carries.{name}: {carry_g} g is more than one unit (accepted: from -{sizes[0]} to {sizes[0]})")
    claims = [
        Claim(
            id=name,
            claim_g=claim_g,
            carry_g=carries.get(name, Fraction(0)),
            minimum_g=minimums.get(name, 0),
            priority_class=classes.get(name, 0),
            cap_g=caps.get(name),
            right_g=max(rights[name], Fraction(0)) if name in rights else None,
        )
        for name, claim_g in wanted.items()
    ]
    for claim in claims:
        without = msgspec.structs.replace(claim, cap_g=None)
        if claim.minimum_g and counted_g(without, sizes) and claim.cap_g is not None and claim.cap_g < claim.minimum_g:
            raise RuleInputError(
                "cap_below_minimum", f"caps.{claim.id}", f"{claim.cap_g} g is below its minimum", f"{claim.minimum_g} or more"
            )
    return claims


def _rights(asked: Asked, method: Method) -> tuple[Group | None, dict[str, Fraction]]:
    """The rights of all of the group, below 0 obligations. Not all of it need make claims."""
    if not any(rule in RULES and RULES[rule].by_right for rule in (method.rule, *method.inside.values())):
        if asked.positions or asked.restraint:
            fail(f"{'positions' if asked.positions else 'restraint'}: only iep goes by positions (accepted: with iep alone)")
        return None, {}
    if not asked.restraint:
        fail("restraint: iep needs one (accepted: a part of consumption, such as 93/100)")
    restraint = _rational("restraint", asked.restraint)
    positions = _by_name("positions", asked.positions, _position) if asked.positions else {}
    group = group_of(positions.values(), restraint)
    if group.kappa > 1:
        accepted = f"at most {largest_restraint(positions.values())}"
        fail(f"restraint: at {restraint} the group is short of more than all of its commitments (accepted: {accepted})")
    rights = {name: right_g(position, restraint, group.kappa) for name, position in positions.items()}
    return group, rights


def _by_name[T](field: str, text: str, read: Callable[[str, str], T]) -> dict[str, T]:
    """What "a=..,b=.." says."""
    found: dict[str, T] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals:
            fail(f"{field}: {part.strip()!r} is no {field.removesuffix('s')} (accepted: name=value, such as a=50,b=100)")
        if name in found:
            fail(f"{field}: {name!r} comes twice (accepted: each id once)")
        found[name] = read(f"{field}.{name}", value)
    return found


def _of_claimants[T](field: str, text: str, read: Callable[[str, str], T], wanted: Mapping[str, int]) -> dict[str, T]:
    found = _by_name(field, text, read) if text else {}
    if unknown := [name for name in found if name not in wanted]:
        fail(f"{field}: {unknown[0]!r} makes no claim (accepted: {', '.join(wanted)})")
    return found


def _position(field: str, text: str) -> IepFigures:
    parts = text.split(":")
    if len(parts) != 4:
        fail(f"{field}: {text!r} is no position (accepted: base:commitment:production:imports, in grams)")
    base_g, commitment_g, production_g, imports_g = (_grams(field, part.strip()) for part in parts)
    for grams in (base_g, commitment_g, production_g, imports_g):
        require_whole(field, grams)
    return IepFigures(
        partner=field, base_g=base_g, commitment_g=commitment_g, production_g=production_g, imports_g=imports_g, source="as typed"
    )


def _rational(field: str, text: str) -> Fraction:
    try:
        return rational(text)
    except ValueError as error:
        fail(f"{field}: {text!r} is {error} (accepted: whole numbers and fractions, such as -1 or 7/3)")


def _grams(field: str, text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        fail(f"{field}: {text!r} is not a whole number of grams (accepted: digits only)")
    if len(text) > 20:
        fail(f"{field}: a number of {len(text)} digits is out of range (accepted: up to {MAX_INTEGER})")
    return int(text)
