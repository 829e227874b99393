"""Session: who is signed in, kept by their browser alone, in a cookie that is encrypted and authenticated (Fernet).

A restart ends no session, and one key on several processes makes them one console. Signed out of, it is forgotten by the browser; a copy of
the cookie is good until its token is not.
"""

import base64
import hashlib
import secrets
from typing import Literal

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from shared.engines.private_files import private_folder, write_private
from shared.settings import Settings

IDLE_S = 30 * 60  # without a page
LONGEST_S = 8 * 3600  # since the sign-in
SIGN_IN_S = 10 * 60  # from the first redirect to the answer of the issuer
COOKIE_BYTES = 4000  # browsers keep 4096 with the name and the attributes


type Ending = Literal["token", "idle", "longest"]  # by what a session ends: its token's expiry, or one of the two limits above


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds since 1970. `began`: when the person was asked who they are; a new token moves it no more than `renewed`, when that
    came, moves the limits. `until`: when it expires. What the token says is shown here, and verified by the services."""

    token: str
    subject: str
    roles: tuple[str, ...]
    acts_for: str | None  # the partner, borrower or nominee that it speaks for
    began: int
    renewed: int
    seen: int
    until: int

    def ended(self, now: float) -> Ending | None:
        """By a limit first: whom it has signed out does not come in again unasked, though the provider would still know them."""
        if now >= self.began + LONGEST_S:
            return "longest"
        if now >= self.seen + IDLE_S:
            return "idle"
        return "token" if now >= self.until else None


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One that is under way. `state` comes back with the answer; `verifier` is for the issuer alone (PKCE); `back`: where to go then.
    `anew`: the provider is asked to ask the person, whom it may still know."""

    state: str
    verifier: str
    back: str
    began: int
    anew: bool


class Seal[Kept: msgspec.Struct]:
    """Turns what is kept into a cookie's value, and back. What one kind was sealed as is no other's."""

    def __init__(self, key: str, kept: type[Kept]) -> None:
        derived = hashlib.sha256(f"reserve.console.{kept.__name__}\n{key}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._kept = kept

    def seal(self, kept: Kept) -> str:
        """Raises ValueError for more than a browser keeps in a cookie."""
        sealed = self._fernet.encrypt(msgspec.msgpack.encode(kept)).decode()
        if len(sealed) > COOKIE_BYTES:
            raise ValueError(f"{len(sealed)} bytes are more than the {COOKIE_BYTES} of a cookie: the issuer's tokens are too long")
        return sealed

    def open(self, sealed: str | None) -> Kept | None:
        """None for what was not sealed so: forged, damaged, of another key or of an earlier build."""
        if not sealed:
            return None
        try:
            return msgspec.msgpack.decode(self._fernet.decrypt(sealed), type=self._kept)
        except (InvalidToken, ValueError, msgspec.DecodeError):
            return None


def key_of(settings: Settings) -> str:
    """RESERVE_CONSOLE_KEY; outside production one that the data folder keeps, made at the first start. Raises ValueError in production
    without one."""
    if settings.console_key:
        return settings.console_key
    if settings.environment == "production":
        raise ValueError("RESERVE_CONSOLE_KEY is not set")
    file = private_folder(settings.data_dir / "keys") / "console.key"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32).encode())
    return file.read_text()
