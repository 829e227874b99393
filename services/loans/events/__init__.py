"""What happens in loans. A stored shape never changes: a new one is a new version."""

from services.loans.events.facility import FacilityEvent

type Event = FacilityEvent


def documents_of(event: Event) -> tuple[str, ...]:
    """The documents that an event stands on, by SHA-256."""
    return ()
