"""What a partner signs with a key of its own: its requests, its draws, and the registration of the key. Source: docs/partner-signatures.md.

A signature is Ed25519 (RFC 8032) over a statement that names the deployment's log, what is signed for, the paper's SHA-256, and the key.
"""

import hashlib
import json
import secrets
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve_partner.answers import DrawItem
from reserve_partner.models import Me, RequestBody


def sign_draw(draw: DrawItem, key: Ed25519PrivateKey, *, me: Me, origin: str) -> DrawItem:
    """The draw with its signature, which counts for this draw alone, sent by this client under this Idempotency-Key. `me`: of the client
    that sends it (`client.me()`); `origin`: the name in the log's verifier key, what comes before its first plus."""
    paper = {
        "format": "reserve.draw.v1",
        "partner": me.partner,
        "release": draw.release,
        "mass_g": draw.mass_g,
        "lots": draw.lots,
        "assign_rights": draw.assign_rights,
        "client": me.client,
        "subject": me.subject,
        "idempotency_key": draw.idempotency_key,
    }
    signed = _signed(paper, key, purpose="draw", partner=str(me.partner), origin=origin)
    return DrawItem(
        release=draw.release,
        idempotency_key=draw.idempotency_key,
        mass_g=draw.mass_g,
        lots=draw.lots,
        assign_rights=draw.assign_rights,
        signature=f"{signed['key_id']}:{signed['signature']}",
    )


def sign_request[R: RequestBody](
    request: R, key: Ed25519PrivateKey, *, me: Me, origin: str, idempotency_key: str, salt: str | None = None
) -> R:
    """The request with its signature and salt: also an item of a bulk. It counts for this request alone, sent by this client under this
    Idempotency-Key. What is typed in its statement is signed by commitments, so that it can be erased. `salt`: 16 bytes in hex, fresh ones
    if none are given; keep them as long as the words, and no longer. Others as for `sign_draw`."""
    salt = salt or secrets.token_hex(16)
    of = [salt, me.client, me.subject, idempotency_key]
    statement = msgspec.to_builtins(request.statement)
    typed = {name: _commitment([*of, f"statement.{name}"], text) for name, text in statement.items() if isinstance(text, str)}
    paper = {name: value for name, value in msgspec.to_builtins(request).items() if name not in ("kind", "salt", "signature")} | {
        "format": "reserve.request.v1",
        "partner": me.partner,
        "excluded_origins": sorted(set(request.excluded_origins)),
        "statement": statement | typed,
        "client": me.client,
        "subject": me.subject,
        "idempotency_key": idempotency_key,
    }
    signed = _signed(paper, key, purpose="request", partner=str(me.partner), origin=origin)
    return msgspec.structs.replace(request, salt=salt, signature=f"{signed['key_id']}:{signed['signature']}")


def registration(key: Ed25519PrivateKey, *, partner: str, origin: str, endorsed_by: Ed25519PrivateKey | None = None) -> dict[str, Any]:
    """The body of `client.register_key`: the key has signed its own registration. `endorsed_by`: a key that the partner has already, for
    one that no agreement names."""
    paper = {"format": "reserve.partner_key.v1", "partner": partner, "key": key_id(key), "public_key": public_key(key)}
    body: dict[str, Any] = {
        "public_key": public_key(key),
        "possession": _signed(paper, key, purpose="partner_key", partner=partner, origin=origin),
    }
    if endorsed_by is not None:
        body["endorsement"] = _signed(paper, endorsed_by, purpose="partner_key", partner=partner, origin=origin)
    return body


def public_key(key: Ed25519PrivateKey) -> str:
    """32 bytes in hex."""
    return key.public_key().public_bytes_raw().hex()


def fingerprint(key: Ed25519PrivateKey) -> str:
    """What an agreement names the key by: SHA-256 of the public key, in hex."""
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()


def key_id(key: Ed25519PrivateKey) -> str:
    return fingerprint(key)[:16]


def _commitment(of: list[str], text: str) -> str:
    own = hashlib.sha256(json.dumps(of, separators=(",", ":"), ensure_ascii=False).encode()).digest()[:16]
    return "text:" + hashlib.sha256(b"\x04" + own + text.encode()).hexdigest() if text else ""


def _signed(paper: dict[str, Any], key: Ed25519PrivateKey, *, purpose: str, partner: str, origin: str) -> dict[str, Any]:
    canonical = json.dumps(paper, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    document = hashlib.sha256(canonical).hexdigest()
    lines = ("reserve.approval.v2", origin, purpose, document, partner, key_id(key), "-")
    signature = key.sign("".join(f"{line}\n" for line in lines).encode())
    said = {"purpose": purpose, "document": document, "approver": partner, "key_id": key_id(key)}
    return said | {"signature": signature.hex(), "origin": origin, "authority": None}
