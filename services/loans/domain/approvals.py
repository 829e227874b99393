"""What approvals of loans, holdings and material loans need power for. The acts are those that allocation registers instruments for."""

from collections.abc import Iterable

from shared.terms.authority import Action, interest_in

_ABOUT = {"borrower": "company", "project": "company", "partner": "partner"}  # kind of a key of limits -> what an interest is in


def interests_in(keys: Iterable[str]) -> list[str]:
    """In those who are named as limits name them; other keys name nobody."""
    named = [key.partition("/") for key in keys]
    return [interest_in(_ABOUT[kind], name) for kind, _, name in named if kind in _ABOUT]


def of_money(act: str, amount_minor: int, currency: str, parties: Iterable[str], name: str = "") -> Action:
    """`parties`: those that it is about, as limits name them. `name`: by which it counts once."""
    return Action(act=act, amount_minor=amount_minor, currency=currency, concerns=interests_in(parties), name=name)


def of_metal(act: str, product: str, mass_g: int, partner: str, name: str = "") -> Action:
    concerns = (interest_in("product", product), interest_in("partner", partner))
    return Action(act=act, product=product, mass_g=mass_g, concerns=concerns, name=name)
