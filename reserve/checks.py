"""The `reserve` commands that check what others have signed: a receipt, a certificate; and the witness."""

from pathlib import Path
from typing import Annotated

import typer

from reserve.options import HERE, AsJson, Folder, LogKeys, PinnedLogKeys, Policies, json_text

receipt = typer.Typer(no_args_is_help=True, help="The ledger's receipts.")
certificate = typer.Typer(no_args_is_help=True, help="Certificates of allocations.")
witness = typer.Typer(no_args_is_help=True, help="A witness of a log: it cosigns what goes on from what it has seen.")


@receipt.command("verify")
def verify_receipt(
    file: Path,
    key: LogKeys = None,
    data: Folder = HERE,
    policy: Policies = None,
    against: Annotated[
        str | None,
        typer.Option(help="also ask the log at this address, without a token: https://reserve.example; or a bundle, by its folder"),
    ] = None,
) -> None:
    """Says what a receipt proves, or which check failed. Needs no network.

    With --policy: also whether enough witnesses vouch for it. With --against: also whether the log of today has it; of a log that has
    become another one it writes what proves it to anyone. Exit code 3: it proves what it says, and nothing under a pinned key shows that
    the log of today has it.
    """
    from reserve.commands.failure import SEEN_BY_NOBODY, fail
    from reserve.commands.receipt import verified

    proven, missing = verified(file, key or [], data, policy or [], against)
    for name, value in proven.items():
        typer.echo(f"{name:<10} {value if value is not None else '-'}")
    if missing is not None:
        fail(missing, SEEN_BY_NOBODY)


@receipt.command("complete")
def check_completeness(
    tally: Annotated[Path, typer.Argument(metavar="FILE", help="the receipt of a day's allocation.partner_tallied")],
    feed: Annotated[list[Path], typer.Argument(metavar="FEED...", help="what was kept of the feed: its pages, or its items")],
    key: LogKeys = None,
    data: Folder = HERE,
    policy: Policies = None,
) -> None:
    """Says whether a partner has all of its events, up to a day's tally, or which numbers are missing, by service and shard. Needs no
    network, and nobody. Exit code 1: some are missing, one is not as it was recorded, or the receipt proves nothing."""
    from reserve.commands.complete import completeness
    from reserve.commands.failure import CHECK_FAILED, fail

    proven, missing = completeness(tally, feed, key or [], data, policy or [])
    for name, value in proven.items():
        typer.echo(f"{name:<10} {value}")
    for what in missing:
        typer.echo(f"{'missing':<10} {what}")
    if missing:
        fail(f"these are not all events of {proven['partner']} up to {proven['day']}", CHECK_FAILED)
    typer.echo(f"these are all events of {proven['partner']}, up to {proven['day']}")


@certificate.command("verify")
def verify_certificate(
    file: Path,
    log_key: PinnedLogKeys = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Recomputes what the file allows, checks approvals and receipts, and says what it cannot check. Needs no network. Exit code 1 if
    anything does not hold, 3 if all does and no receipt under a pinned key proves that it was certified."""
    from reserve.commands.certificate import checked, show
    from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY, fail

    found = checked(file, log_key or [], data)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found)
    if found.failed:
        first = found.failed[0]
        fail(f"{file} does not hold: {first.name}: {first.detail}", CHECK_FAILED)
    if not found.certified:
        fail(f"{file}: no receipt under a pinned key proves that this was certified: anybody may have written it", SEEN_BY_NOBODY)


@witness.command("new")
def new_witness(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="for its keys, and what it has seen")],
    name: Annotated[str, typer.Option(help="such as witness.example.jp/reserve")],
) -> None:
    """Makes a witness's two keys, and prints what others pin."""
    from reserve.commands.witness import new_witness as run

    for key in run(folder, name):
        typer.echo(key)


@witness.command("serve")
def serve_witness(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="as `reserve witness new` made it")],
    log: Annotated[list[str], typer.Option(help="a log's verifier key, as pinned; may be repeated")],
    host: str = "127.0.0.1",
    port: int = 8200,
) -> None:
    """Cosigns checkpoints of the logs, until Ctrl-C (C2SP tlog-witness)."""
    from reserve.commands.witness import serve

    serve(folder, log, host, port)
