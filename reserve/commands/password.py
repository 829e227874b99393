"""`reserve password`: what a local deployment's person logs in with. Elsewhere people have an OpenID provider, and no password is here."""

from pathlib import Path

import typer

from reserve.commands.failure import fail
from services.identity.clients import passwords


def password(login: str, folder: Path) -> None:
    try:
        known = passwords(folder)
    except FileNotFoundError:
        fail(f"--data: {folder} has no local issuer; start a deployment there with: reserve up --data {folder}")
    if login not in known:
        fail(f"--login: nobody logs in as {login} (accepted: {', '.join(sorted(known))})")
    typer.echo(known[login])
