"""A registrar: an administrator who enrols keys and registers instruments, and the approvers whose keys are on this machine."""

from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.client import Client
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.approval import approve, public_key_hex

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
        enrolled = await self._post("/v1/approver-keys", {"subject": subject, "public_key": public_key_hex(key)})
        self.keys.setdefault(subject, key)
        return enrolled

    async def register(self, instrument: dict[str, Any]) -> Any:
        made = await self._post("/v1/instruments", instrument)
        self.instruments[instrument["holder"]] = made["instrument"]
        return made

    def sign(self, document: str, purpose: str, subject: str, **changed: Any) -> dict[str, Any]:
        """What `reserve approve` writes. `changed`: another `key`, `origin` or `authority`."""
        said = {"origin": self.origin, "authority": self.instruments.get(subject)} | changed
        key = said.pop("key", None) or self.keys[subject]
        signed: dict[str, Any] = msgspec.to_builtins(approve(document, key, approver=subject, purpose=purpose, **said))
        return signed
