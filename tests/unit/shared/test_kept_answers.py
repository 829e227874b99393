"""What was answered before is answered again to the same party: of what was recovered, as far as its events say whose they are."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation.events import AgreementEnded, AgreementId, PartnerCode
from shared.journal.protocol import UNKNOWN_INPUT
from shared.journal.record import Fact
from shared.writer.commands import Context
from tests.stories.stockpile_facts import fact

JP, US = (f"{partner}------".encode() for partner in ("jp", "us"))


def of(*partners: str | None) -> list[Fact]:
    event = AgreementEnded(agreement=AgreementId("agr_1"), partner=PartnerCode("JP"), products=(), reason="x")
    return [Fact("allocation", replace(fact(event).record, partner=partner), event) for partner in partners]


def asks(partner: str | None, party: bytes) -> Context:
    told: dict[str, Any] = {"command_id": b"1" * 32, "actor": "sub_1", "correlation_id": "0" * 32, "causation_id": "request:1"}
    return Context(**told, effective_on=date(2026, 1, 6).isoformat(), fingerprint=b"f" * 32, party=party, partner=partner)


@pytest.mark.parametrize(
    ("partner", "partners", "heard"),
    [
        ("JP", ("JP",), True),
        ("US", ("JP",), False),
        ("US", ("JP", "US"), True),
        ("US", (None, "JP"), False),
        ("US", (None,), True),
        ("US", (), True),
        (None, ("JP",), True),
    ],
)
def test_what_was_recovered_is_heard_by_whose_it_is(partner: str | None, partners: tuple[str | None, ...], heard: bool):
    assert asks(partner, US).repeats(UNKNOWN_INPUT), "what was sent is not known"
    assert asks(partner, US).may_hear(UNKNOWN_INPUT, of(*partners)) is heard


def test_where_the_party_is_kept_it_alone_counts():
    """Also of a text that was erased. A partner's act may be told to others than itself."""
    for kept in (b"f" * 32 + US, UNKNOWN_INPUT + US):
        assert asks("US", US).repeats(kept) and asks("US", US).may_hear(kept, of("JP"))
        assert not asks("JP", JP).repeats(kept)
