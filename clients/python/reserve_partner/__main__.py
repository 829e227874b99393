"""`reserve-partner check`: walks a sandbox partner through all that its client will ever do, and prints a table for its ministry."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reserve_partner.check.steps import Row, Sandbox, walk

HOLDS, BROKEN, COULD_NOT_RUN, NOT_ALL_TRIED = 0, 1, 2, 3
EXITS = "Exit codes: 0 all passed; 1 something failed; 2 it could not run; 3 nothing failed, and something was not tried."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        sandbox = Sandbox(
            base_url=options.base_url,
            client_id=options.client,
            client_secret=options.secret_file.read_text().strip(),
            log_key=options.log_key.read_text().strip(),
            token_url=options.token_url,
            key=None if options.key is None else _private_key(options.key),
            receiver_url=options.receiver_url,
            port=options.receiver_port,
        )
    except (OSError, ValueError) as error:
        print(f"reserve-partner: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    print(f"{options.client} at {options.base_url}, {datetime.now(UTC).date()}\n")
    rows = []
    for row in walk(sandbox):
        rows.append(row)
        print(line(row), flush=True)
    came = [row.came for row in rows]
    print(f"\n{came.count('passed')} passed, {came.count('failed')} failed, {came.count('not tried')} not tried")
    return BROKEN if "failed" in came else NOT_ALL_TRIED if "not tried" in came else HOLDS


def line(row: Row) -> str:
    return f"{row.came:10} {row.what:32} {row.said}"


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} has no Ed25519 key")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reserve-partner", description="A partner's tools for the Reserve's API.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="try all that a client will ever do against a sandbox",
        description="Tries all that a partner's client will ever do, once, against a sandbox: it asks and withdraws, and draws one unit.",
        epilog=EXITS,
    )
    check.add_argument("--base-url", required=True, help="of the Reserve, such as https://sandbox.reserve.example")
    check.add_argument("--client", required=True, help="the client's id, such as partner-jp")
    check.add_argument("--secret-file", required=True, type=Path, help="a file with its secret alone")
    check.add_argument("--log-key", required=True, type=Path, help="a file with the log's verifier key, which you have from elsewhere")
    check.add_argument("--token-url", help="of the issuer, where that is not the Reserve's own")
    check.add_argument("--key", type=Path, help="a PEM file with the Ed25519 key that signs draws, of a partner that has one")
    check.add_argument("--receiver-url", help="the public https address that leads to --receiver-port of this machine, for webhooks")
    check.add_argument("--receiver-port", type=int, default=0, help="where webhooks are received; without it any free port")
    return parser


if __name__ == "__main__":
    sys.exit(main())
