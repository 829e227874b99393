"""How a command calls a deployment from another machine: its address, and a secret or a token of one's own; nobody's data folder."""

from contextlib import suppress
from pathlib import Path

from reserve.client import Client, GivenToken
from reserve.commands.failure import fail
from shared.delivery.tokens import Key, TokenSource, key_of
from shared.settings import Settings


def caller_at(url: str, client_id: str, secret_file: Path | None, token_file: Path | None) -> Client:
    """`url`: the edge's. The token comes with a secret of the client, or as it is; in production not over plain HTTP."""
    if Settings().environment == "production" and not url.startswith("https://"):
        fail(f"--url is {url}, where everybody on the way reads along: give an address that begins with https://")
    if (secret_file is None) == (token_file is None):
        fail("--secret-file, --token-file: say one of them, with --url")
    if token_file is not None:
        return Client(url, GivenToken(_read(token_file, "--token-file")), gzip=True)
    assert secret_file is not None
    credential = _credential(_read(secret_file, "--secret-file"))
    return Client(url, TokenSource(f"{url.rstrip('/')}/oauth/token", client_id, credential), gzip=True)


def nobody_at(url: str) -> Client:
    """Who has no token reads what everybody may."""
    return Client(url, GivenToken(""))


def _credential(secret: str) -> str | Key:
    """A file with a private key in it counts as that."""
    return _private_key(secret) if secret.startswith("-----BEGIN") else secret


def _private_key(pem: str) -> Key:
    with suppress(ValueError):
        if (key := key_of(pem.encode())).is_private:
            return key
    return fail("--secret-file: it is no private key that a client can have (accepted: Ed25519 or P-256, as PEM; or a secret)")


def _read(file: Path, option: str) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        fail(f"{option}: {file}: {error.strerror}")
