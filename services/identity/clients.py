"""The clients and users that the local issuer knows, in private files of the deployment's folder.

`identity.json` is what the issuer reads: hashes, no secrets. `identity-secrets.json` holds the plain secrets, for the `reserve` command and
the demonstration to use. Both are made by `seed`.
"""

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog

from services.identity.scrypt import hashed, new_secret
from shared.engines.private_files import private_folder, write_private
from shared.http.duty import ON_CALL

log = structlog.get_logger()

CONSOLE = "console"  # the public client of people's browsers: no secret, PKCE


class LocalClient(msgspec.Struct, frozen=True):
    """A seeded client with its plain secret, as `endpoints.json` lists it."""

    client_id: str
    client_secret: str
    partner: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


class Client(msgspec.Struct, frozen=True):
    """`secret_hash` is None for a public client, which can only bring people's authorization codes. `keys`: public ones, as JWKs with
    a `kid`; two while one takes over from the other. `by_key`: it has had one, so that its secret counts no more."""

    client_id: str
    subject: str
    secret_hash: str | None
    partner: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()  # that it may ask a shift's token for, each by name
    redirect_uris: tuple[str, ...] = ()
    borrower: str | None = None
    nominee: str | None = None
    keys: tuple[dict[str, str], ...] = ()
    by_key: bool = False


class User(msgspec.Struct, frozen=True):
    """A person, known by a login and by a subject that says nothing about them."""

    login: str
    subject: str
    password_hash: str
    partner: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    borrower: str | None = None
    nominee: str | None = None


class Directory(msgspec.Struct, frozen=True):
    clients: dict[str, Client] = {}
    users: dict[str, User] = {}  # by login


class _Secrets(msgspec.Struct):
    clients: dict[str, str] = {}
    users: dict[str, str] = {}


class _Party(msgspec.Struct, frozen=True):
    role: str
    partner: str | None = None
    scopes: tuple[str, ...] = ()
    borrower: str | None = None
    nominee: str | None = None
    duties: tuple[str, ...] = ()


_PARTIES = {
    "partner-jp": _Party("partner", partner="JP"),
    "partner-us": _Party("partner", partner="US"),
    "partner-eu": _Party("partner", partner="EU"),
    "partner-au": _Party("partner", partner="AU"),
    "nominee-sojitz": _Party("nominee", partner="JP", nominee="Sojitz"),
    "nominee-jogmec": _Party("nominee", partner="JP", nominee="JOGMEC"),
    "borrower-hillgrove": _Party("borrower", borrower="hillgrove-mines"),
    "borrower-nolans": _Party("borrower", borrower="nolans-mines"),
    "operator-1": _Party("operator", duties=(ON_CALL,)),
    "operator-2": _Party("operator", duties=(ON_CALL,)),
    "approver-1": _Party("approver", duties=(ON_CALL,)),
    "approver-2": _Party("approver", duties=(ON_CALL,)),
    "auditor-1": _Party("auditor", scopes=("journal:read",)),
    "admin-1": _Party("administrator"),
}
_SERVICE = _Party("service", scopes=("journal:read",))


def seed(folder: Path, services: Iterable[str] = (), redirect_uris: Iterable[str] | None = None) -> list[LocalClient]:
    """Makes the deployment's clients and users, one client a service too, and gives the clients with their secrets.

    Started again on the same folder it gives the same clients and secrets, and makes only what is missing. Each party is one client and one
    user of the same name and subject: a person is one person however they come in. `redirect_uris` are the console's; None
    leaves them. Files that are right already are not touched, so that processes may look up their secrets while the issuer runs.
    """
    private_folder(folder)
    kept = _read_secrets(folder)
    known = load(folder) if _directory_file(folder).exists() else Directory()
    parties = _PARTIES | dict.fromkeys(services, _SERVICE)

    clients = {name: _client(name, party, kept, known) for name, party in parties.items()}
    users = {name: _user(clients[name], kept, known) for name in _PARTIES}
    console = known.clients.get(CONSOLE, Client(CONSOLE, subject=CONSOLE, secret_hash=None))
    clients[CONSOLE] = console if redirect_uris is None else msgspec.structs.replace(console, redirect_uris=tuple(redirect_uris))

    # Secrets first: a hash whose secret nobody has would lock its client out for good.
    _keep(_secrets_file(folder), _json(kept))
    _keep(_directory_file(folder), _json(Directory(known.clients | clients, users)))
    return [
        LocalClient(name, kept.clients[name], partner=party.partner, roles=(party.role,), scopes=party.scopes)
        for name, party in parties.items()
    ]


def load(folder: Path) -> Directory:
    """What `seed` made. Raises FileNotFoundError before it, PermissionError if others can read the file, ValueError if it is damaged."""
    file = _directory_file(folder)
    if file.stat().st_mode & 0o077:
        raise PermissionError(f"{file} can be read by others: chmod 600 it")
    return msgspec.json.decode(file.read_bytes(), type=Directory)


def known_in(folder: Path) -> Callable[[], Directory]:
    """The directory of now: read again when its file has changed. One that cannot be read leaves what was known, and is said."""
    file = _directory_file(folder)
    known, read_of = load(folder), _state_of(file)

    def now() -> Directory:
        nonlocal known, read_of
        if (state := _state_of(file)) != read_of:
            read_of = state
            try:
                known = load(folder)
            except (OSError, ValueError) as error:
                log.error("the clients cannot be read again", file=str(file), error=repr(error))
        return known

    return now


def change_client(folder: Path, client_id: str, change: Callable[[Client], Client]) -> Client:
    """For a command of whoever has the folder; the issuer hears of it by itself. Raises as `load` does, and LookupError."""
    known = load(folder)
    if client_id not in known.clients:
        raise LookupError(f"there is no client {client_id} (accepted: {', '.join(sorted(known.clients))})")
    changed = change(known.clients[client_id])
    write_private(_directory_file(folder), _json(msgspec.structs.replace(known, clients=known.clients | {client_id: changed})))
    return changed


def passwords(folder: Path) -> dict[str, str]:
    """The local users' plain passwords by login. Raises FileNotFoundError before `seed`."""
    return msgspec.json.decode(_secrets_file(folder).read_bytes(), type=_Secrets).users


def _client(name: str, party: _Party, kept: _Secrets, known: Directory) -> Client:
    before = known.clients.get(name)
    subject = before.subject if before else f"sub_{secrets.token_hex(12)}"
    secret_hash = before.secret_hash if before else None
    if name not in kept.clients or secret_hash is None:
        secret = kept.clients.setdefault(name, new_secret())
        secret_hash = hashed(secret)
    return Client(
        name,
        subject,
        secret_hash,
        partner=party.partner,
        roles=(party.role,),
        scopes=party.scopes,
        duties=party.duties,
        borrower=party.borrower,
        nominee=party.nominee,
        keys=before.keys if before else (),
        by_key=before.by_key if before else False,
    )


def _user(client: Client, kept: _Secrets, known: Directory) -> User:
    login = client.client_id
    before = known.users.get(login)
    password_hash = before.password_hash if before else None
    if login not in kept.users or password_hash is None:
        password = kept.users.setdefault(login, new_secret())
        password_hash = hashed(password)
    return User(
        login,
        client.subject,
        password_hash,
        partner=client.partner,
        roles=client.roles,
        scopes=client.scopes,
        borrower=client.borrower,
        nominee=client.nominee,
    )


def _state_of(file: Path) -> tuple[int, int] | None:
    """By which it is seen that a file was replaced."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _keep(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        write_private(file, content)


def _read_secrets(folder: Path) -> _Secrets:
    file = _secrets_file(folder)
    return msgspec.json.decode(file.read_bytes(), type=_Secrets) if file.exists() else _Secrets()


def _directory_file(folder: Path) -> Path:
    return folder / "identity.json"


def _secrets_file(folder: Path) -> Path:
    return folder / "identity-secrets.json"


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
