"""A registrar: an administrator who enrols keys and registers instruments, and the approvers whose keys are on this machine."""

from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typeid import TypeID

from reserve.client import Client
from services.allocation.domain.authority.instrument import WINDOW_DAYS
from services.allocation.events.authority import PersonId
from services.allocation.events.ids import KeyId, SubjectId
from services.allocation.events.papers import ActingOfficerPaper, AuthorityPaper, EnrolmentPaper, InstrumentPaper, PersonPaper
from shared.journal.record import name_of
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.approval import approve, key_id, public_key_hex

_UNLIMITED: dict[str, Any] = {
    "under": None,
    "products": [],
    "limit_g": None,
    "limit_minor": None,
    "currency": None,
    "may_sub_delegate": False,
}

WITNESS = "sub_witness"  # an approver who holds nothing, where there is only one other

type Post = Callable[[str, dict[str, Any]], Awaitable[Any]]  # to allocation, as an administrator; a path that begins with /v1


class Registrar:
    """`origin`: of the log of the deployment."""

    def __init__(self, post: Post, origin: str) -> None:
        self._post = post
        self.origin = origin
        self.keys: dict[str, Ed25519PrivateKey] = {}  # by subject
        self.instruments: dict[str, str] = {}  # a holder -> what was registered for them last

    @classmethod
    def of(cls, admin: Client, log_key: str) -> Self:
        """`log_key`: the deployment's, as it is pinned."""
        return cls(lambda path, body: admin.post(f"/allocation{path}", body), parse_verifier_key(log_key).name)

    async def enrol(self, subject: str, key: Ed25519PrivateKey) -> Any:
        enrolled = await self._post("/v1/approver-keys", self.enrolment(subject, key))
        self.keys.setdefault(subject, key)
        return enrolled

    def enrolment(self, subject: str, key: Ed25519PrivateKey) -> dict[str, Any]:
        """With the key's own signature."""
        public_key = public_key_hex(key)
        paper = EnrolmentPaper(subject=SubjectId(subject), key=KeyId(key_id(public_key)), public_key=public_key)
        possession = self.sign(name_of(paper), paper.purpose, subject, key=key, authority=None)
        body = {"subject": subject, "public_key": public_key, "possession": possession}
        return body | self._endorsement(paper, {subject})

    async def register(self, instrument: dict[str, Any]) -> Any:
        limited = any(instrument.get(limit) is not None for limit in ("limit_g", "limit_minor"))
        body = {"instrument": str(TypeID("ins")), **({"window_days": WINDOW_DAYS} if limited else {}), **instrument}
        paper = msgspec.convert(_UNLIMITED | body | {"format": "reserve.instrument.v1"}, InstrumentPaper)
        made = await self._post("/v1/instruments", body | self._endorsement(paper, {paper.holder}))
        self.instruments[paper.holder] = made["instrument"]
        return made

    async def name_acting(self, instrument: str, holder: str, officer: dict[str, Any]) -> Any:
        paper = msgspec.convert(officer | {"instrument": instrument, "format": "reserve.acting_officer.v1"}, ActingOfficerPaper)
        return await self._post(f"/v1/instruments/{instrument}/acting", officer | self._endorsement(paper, {holder, paper.officer}))

    def naming(self, subject: str, person: str, *others: str) -> dict[str, Any]:
        """Whose account it is. `others`: of the same person."""
        paper = PersonPaper(official=SubjectId(subject), person=PersonId(person))
        return {"person": person} | self._endorsement(paper, {subject, *others})

    async def name_person(self, subject: str, person: str, *others: str) -> Any:
        return await self._post(f"/v1/officials/{subject}/person", self.naming(subject, person, *others))

    def _endorsement(self, paper: AuthorityPaper, parties: set[str]) -> dict[str, Any]:
        """By the first approver here who is no party to it; there may be none in the ceremony."""
        endorser = next((subject for subject in self.keys if subject not in parties), None)
        return {} if endorser is None else {"endorsement": self.sign(name_of(paper), paper.purpose, endorser, authority=None)}

    def sign(self, document: str, purpose: str, subject: str, **changed: Any) -> dict[str, Any]:
        """What `reserve approve` writes. `changed`: another `key`, `origin` or `authority`."""
        said = {"origin": self.origin, "authority": self.instruments.get(subject)} | changed
        key = said.pop("key", None) or self.keys[subject]
        signed: dict[str, Any] = msgspec.to_builtins(approve(document, key, approver=subject, purpose=purpose, **said))
        return signed
