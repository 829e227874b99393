"""Secrets of clients and users: made at random, kept as scrypt hashes (RFC 7914)."""

import base64
import hashlib
import hmac
import secrets

_COST, _BLOCK, _LANES = 1 << 14, 8, 1  # 16 MiB and some 40 ms a check


def new_secret() -> str:
    """256 random bits, safe in URLs, forms and Basic credentials."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """`scrypt$salt$hash`, both base64."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_text(salt)}${_text(_scrypt(secret, salt))}"


def matches(secret: str, kept: str | None) -> bool:
    """Whether the secret is the one whose hash was kept. An unknown name (None) takes as long: time tells nothing."""
    _, salt, expected = (kept or _NOBODY).split("$")
    same = hmac.compare_digest(_scrypt(secret, base64.b64decode(salt)), base64.b64decode(expected))
    return same and kept is not None


def _scrypt(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, n=_COST, r=_BLOCK, p=_LANES)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


_NOBODY = f"scrypt${_text(bytes(16))}${_text(bytes(64))}"
