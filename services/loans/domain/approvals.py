"""What approvals of loans, holdings and material loans need power for. The acts are those that allocation registers instruments for."""

from collections.abc import Sequence

from shared.terms.authority import Action, interest_in


def of_money(act: str, amount_minor: int, currency: str, companies: Sequence[str], name: str = "") -> Action:
    """`companies`: those that it is about. `name`: by which it counts once."""
    concerns = [interest_in("company", name) for name in companies]
    return Action(act=act, amount_minor=amount_minor, currency=currency, concerns=concerns, name=name)


def of_metal(act: str, product: str, mass_g: int, partner: str, name: str = "") -> Action:
    concerns = (interest_in("product", product), interest_in("partner", partner))
    return Action(act=act, product=product, mass_g=mass_g, concerns=concerns, name=name)
