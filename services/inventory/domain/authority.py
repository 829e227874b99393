"""Authority: setting the protected stock, lifting a hold and taking back a release are done under one, which is cited with the event.

The acts are those that allocation registers instruments for.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from services.inventory.domain.reasons import Refusal
from services.inventory.events import AuthorityCited, Event, HoldLifted, ProtectedStockSet, ReleaseCancelled
from shared.journal.decider import Refused
from shared.terms.authority import Action, Capacity, cite, interest_in


def opened(event: ProtectedStockSet, opened_g: int, capacity: Capacity | None) -> Sequence[Event] | Refusal:
    """With the authority that `opened_g` less is protected under."""
    return _cited(event, event.product, capacity, "open_protected_stock", mass_g=opened_g)


def lifted(event: HoldLifted, stops: str, capacity: Capacity | None) -> Sequence[Event] | Refusal:
    """`stops`: what the hold has stopped, as a stockpile names it."""
    scope, _, target = stops.partition("/")
    return _cited(event, event.hold, capacity, "lift_hold", concerns=(interest_in(scope, target),))


def taken_back(event: ReleaseCancelled, capacity: Capacity | None) -> Sequence[Event] | Refusal:
    partner = interest_in("partner", event.partner)
    return _cited(event, event.release, capacity, "cancel_release", mass_g=event.mass_g, concerns=(partner,))


def _cited(
    event: ProtectedStockSet | HoldLifted | ReleaseCancelled,
    matter: str,
    capacity: Capacity | None,
    act: str,
    *,
    mass_g: int | None = None,
    concerns: tuple[str, ...] = (),
) -> Sequence[Event] | Refusal:
    about = (interest_in("product", event.product), *concerns)
    cited = cite(capacity, Action(act=act, product=event.product, mass_g=mass_g, concerns=about))
    if isinstance(cited, Refused):
        return cited
    if not isinstance(event, ReleaseCancelled):
        event = replace(event, authority=cited.authority)
    return [event, AuthorityCited(product=event.product, matter=matter, cited=cited)]
