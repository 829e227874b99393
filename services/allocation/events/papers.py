"""Papers of who may act: what another approver signs before a key, an instrument, an acting officer or an account's person is entered."""

from datetime import date
from typing import ClassVar

from services.allocation.events.authority import ActingOfficerNamed, InstrumentId, InstrumentRegistered, PersonId, PersonNamed
from services.allocation.events.ids import KeyId, PartnerCode, ProductId, SubjectId
from services.allocation.events.partner import PartnerKeyRegistered
from services.allocation.events.partners import ApproverKeyEnrolled
from shared.terms.authority import Kind
from shared.terms.papers import Paper


class EnrolmentPaper(Paper, frozen=True, kw_only=True, tag="reserve.enrolment.v1"):
    """A key that is to be a person's. The key itself signs it, which proves that they have it."""

    purpose: ClassVar[str] = "enrolment"

    subject: SubjectId
    key: KeyId
    public_key: str


class InstrumentPaper(Paper, frozen=True, kw_only=True, omit_defaults=True, tag="reserve.instrument.v1"):
    """`instrument`: an id of its own, so that one signature registers one instrument."""

    purpose: ClassVar[str] = "instrument"

    instrument: InstrumentId
    kind: Kind
    title: str
    office: str
    under: InstrumentId | None
    holder: SubjectId
    acts: tuple[str, ...]
    products: tuple[ProductId, ...]
    limit_g: int | None
    limit_minor: int | None
    currency: str | None
    valid_from: date
    valid_until: date
    may_sub_delegate: bool
    window_days: int | None = None  # not in what was signed before there were any


class ActingOfficerPaper(Paper, frozen=True, kw_only=True, tag="reserve.acting_officer.v1"):
    purpose: ClassVar[str] = "acting_officer"

    instrument: InstrumentId
    officer: SubjectId
    valid_from: date
    valid_until: date


class PersonPaper(Paper, frozen=True, kw_only=True, tag="reserve.person.v1"):
    """Whose account it is, once and for ever."""

    purpose: ClassVar[str] = "person"

    official: SubjectId
    person: PersonId


class PartnerKeyPaper(Paper, frozen=True, kw_only=True, tag="reserve.partner_key.v1"):
    """A key that is to be a partner's. The key itself signs it, and so does another of the partner's where no agreement names it."""

    purpose: ClassVar[str] = "partner_key"

    partner: PartnerCode
    key: KeyId
    public_key: str


type AuthorityPaper = EnrolmentPaper | InstrumentPaper | ActingOfficerPaper | PersonPaper
type Entered = ApproverKeyEnrolled | InstrumentRegistered | ActingOfficerNamed | PersonNamed


def paper_of(event: Entered) -> AuthorityPaper:
    """What was signed for it."""
    kind: type[AuthorityPaper]
    match event:
        case ApproverKeyEnrolled():
            kind = EnrolmentPaper
        case InstrumentRegistered():
            kind = InstrumentPaper
        case ActingOfficerNamed():
            kind = ActingOfficerPaper
        case PersonNamed():
            kind = PersonPaper
    return kind(**{name: getattr(event, name) for name in kind.__struct_fields__})


def key_paper_of(event: PartnerKeyRegistered) -> PartnerKeyPaper:
    return PartnerKeyPaper(partner=event.partner, key=event.key, public_key=event.public_key)
