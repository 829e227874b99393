"""`reserve client-key`: keys that a local deployment's clients come with in place of a secret (private_key_jwt). Elsewhere they have an
OpenID provider, which keeps their keys."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from reserve.commands.approver_key import new_key as new_key_file
from reserve.commands.failure import fail
from services.identity.clients import Client, change_client
from shared.delivery.tokens import Key, key_of

Jwk = dict[str, str]

AT_ONCE = 2  # keys of a client, while one takes over from the other


def new_key(file: Path) -> Jwk:
    """The public half of a new key in a new file that only its owner may read."""
    new_key_file(file)
    return _public(key_of(file.read_bytes()))


def add_key(folder: Path, client_id: str, file: Path) -> Client:
    """A public key, as a JWK or PEM. From the first one on the client's secret counts no more."""
    key = _read(file)

    def with_key(client: Client) -> Client:
        if client.secret_hash is None:
            fail(f"CLIENT: {client_id} is a public client and has no credentials (accepted: one that has)")
        if key in client.keys:
            return client
        if len(client.keys) >= AT_ONCE:
            fail(f"FILE: {client_id} has {AT_ONCE} keys already (accepted: once `reserve client-key revoke` has taken one)")
        return msgspec.structs.replace(client, keys=(*client.keys, key), by_key=True)

    return _changed(folder, client_id, with_key)


def revoke_key(folder: Path, client_id: str, kid: str) -> Client:
    """It gets no token any more, and what it has of a partner ends within a minute."""

    def without_key(client: Client) -> Client:
        if kid not in {key["kid"] for key in client.keys}:
            fail(f"KID: {client_id} has no such key (accepted: {', '.join(key['kid'] for key in client.keys) or 'none: it has no key'})")
        return msgspec.structs.replace(client, keys=tuple(key for key in client.keys if key["kid"] != kid))

    return _changed(folder, client_id, without_key)


def _changed(folder: Path, client_id: str, change: Callable[[Client], Client]) -> Client:
    try:
        return change_client(folder, client_id, change)
    except FileNotFoundError:
        fail(f"--data: {folder} has no local issuer; start a deployment there with: reserve up --data {folder}")
    except LookupError as error:
        fail(f"CLIENT: {error.args[0]}")


def _read(file: Path) -> Jwk:
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    with suppress(ValueError, msgspec.MsgspecError):
        if not (key := key_of(msgspec.json.decode(content, type=Jwk) if content.startswith(b"{") else content)).is_private:
            return _public(key)
    return fail(f"FILE: {file} is no public key (accepted: P-256 or Ed25519, as a JWK or PEM, without its private half)")


def _public(key: Key) -> Jwk:
    return {**{name: str(value) for name, value in key.as_dict(private=False).items() if name != "kid"}, "kid": key.thumbprint()}
