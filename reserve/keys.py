"""The `reserve` commands for keys: approvers' own, and those that clients of a local deployment come with."""

from pathlib import Path
from typing import Annotated

import typer

from reserve.options import HERE, Folder, json_text

approver_key = typer.Typer(no_args_is_help=True, help="An approver's own keys.")
client_key = typer.Typer(no_args_is_help=True, help="Keys that clients of a local deployment come with, in place of a secret.")


@approver_key.command("new")
def new_approver_key(file: Annotated[Path, typer.Argument(help="where to write it; never overwritten")]) -> None:
    """Makes a key file that only its owner may read, and prints the public key, the key's id, and its fingerprint, for paper."""
    from reserve.commands.approver_key import new_key

    public_key, key_id, fingerprint = new_key(file)
    typer.echo(f"public_key {public_key}\nkey_id {key_id}\nfingerprint {fingerprint}")


@client_key.command("new")
def new_client_key(file: Annotated[Path, typer.Argument(help="where to write it; never overwritten")]) -> None:
    """Makes a key file that only its owner may read, and prints its public half, a JWK, for the operator of the deployment."""
    from reserve.commands.client_key import new_key

    typer.echo(json_text(new_key(file)))


@client_key.command("add")
def add_client_key(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="such as partner-jp")],
    file: Annotated[Path, typer.Argument(help="the public key: a JWK, or PEM")],
    data: Folder = HERE,
) -> None:
    """Lets a client come with this key: at once, and from its first key on no longer with its secret. It has two at most."""
    from reserve.commands.client_key import add_key

    typer.echo(json_text(add_key(data, client, file).keys))


@client_key.command("revoke")
def revoke_client_key(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="such as partner-jp")],
    kid: Annotated[str, typer.Argument(metavar="KID", help="the key's id, as `add` prints it")],
    data: Folder = HERE,
) -> None:
    """Takes a key from a client at once. A partner's token that was got with it ends within a minute."""
    from reserve.commands.client_key import revoke_key

    typer.echo(json_text(revoke_key(data, client, kid).keys))
