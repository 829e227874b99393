"""`reserve audit`: checks of the whole history, and what else an auditor asks it, of a running system or of a bundle."""

import time
from pathlib import Path
from typing import Annotated

import typer

from reserve.options import HERE, AsJson, Folder, LogKey, LogKeys, Policies, json_text

audit = typer.Typer(no_args_is_help=True, help="Checks of the whole history.")


@audit.command("verify")
def verify_audit(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE]", help="a folder that `reserve audit export` made; no server is asked")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="a running system, over HTTP")] = False,
    key: LogKeys = None,
    data: Folder = HERE,
    state: Annotated[
        Path | None, typer.Option(help="remember in this file what held at each audit, and hold the next ones against it")
    ] = None,
    receipts: Annotated[Path | None, typer.Option(help="a folder of receipts: each must stand in this log")] = None,
    policy: Policies = None,
    partners: Annotated[
        Path | None, typer.Option(help="a file of the keys that partners have, as you have them on paper: a line for each, JP FINGERPRINT")
    ] = None,
    approvers: Annotated[Path | None, typer.Option(help="the same of approvers: SUBJECT FINGERPRINT")] = None,
    url: Annotated[str | None, typer.Option(help="from another machine: the deployment's address, https://reserve.example")] = None,
    client: Annotated[str, typer.Option(help="as whom")] = "auditor-1",
    secret_file: Annotated[Path | None, typer.Option(help="with --url: a file with the client's secret")] = None,
    token_file: Annotated[Path | None, typer.Option(help="with --url: a file with an access token, in the place of a secret")] = None,
    integrity: Annotated[
        bool,
        typer.Option("--integrity", help="only that nothing was changed: hashes, chains, log, witnesses; on all processors"),
    ] = False,
    result: Annotated[Path | None, typer.Option(help="also write what was found to this file, signed, for `reserve audit result`")] = None,
    auditor: Annotated[str | None, typer.Option(help="with --result: the name that its readers have pinned your key by")] = None,
    signing_key: Annotated[Path | None, typer.Option(help="with --result: your key, as `reserve approver-key new` makes one")] = None,
    as_json: AsJson = False,
) -> None:
    """Checks the whole history from outside, and trusts nobody's code but its own.

    Exit code 0: all of it holds, and what was seen before is in it. 1: it does not hold. 2: the audit could not be made. 3: it holds, and
    nobody else is known to have seen this history; or no witness of the --policy that is given vouches for it, so times are not checkable;
    or they saw nothing for a while in which events say that they were recorded, and no audit with this --state has said so before.
    """
    from reserve.commands.audit import Asked, show, verify
    from reserve.commands.audit_result import write
    from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY, fail

    if (live or url is not None) == (bundle is not None):
        fail("--live: say what to audit (accepted: one of --live, --url, and the folder of a bundle)")
    if integrity and (partners or approvers):
        fail("--integrity: it looks at no keys of partners and approvers (accepted: without --partners and --approvers, or without it)")
    if result is not None and (auditor is None or signing_key is None):
        fail("--result: who signs it? (accepted: with --auditor NAME and --signing-key KEY)")
    started = time.monotonic()
    asked = Asked(
        folder=data,
        keys=key or [],
        state=state,
        receipts=receipts,
        policies=policy or [],
        partners=partners,
        approvers=approvers,
        url=url,
        client=client,
        secret_file=secret_file,
        token_file=token_file,
        bundle=bundle,
        integrity=integrity,
    )
    report = verify(asked)
    if result is not None and auditor is not None and signing_key is not None:
        write(result, asked, report, auditor, signing_key)
    if as_json:
        typer.echo(json_text(report))
    else:
        show(report, time.monotonic() - started)
    if not report.anchored or (policy and report.witnessed_at is None) or report.unchecked:
        raise typer.Exit(SEEN_BY_NOBODY if report.ok else CHECK_FAILED)


@audit.command("result")
def show_result(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what `reserve audit verify --result` wrote")],
    auditors: Annotated[
        Path, typer.Option(help="a file of the keys of auditors, as you have them on paper: a line for each, NAME FINGERPRINT")
    ],
    as_json: AsJson = False,
) -> None:
    """Says what an audit found, when and in what: each finding with what it is worth, the day that it counts for, and who could have done
    it. Needs no network. Exit code 1: no auditor who is pinned has signed it so; 2: it is no result."""
    from reserve.commands.audit_result import read, show

    signed = read(file, auditors)
    if as_json:
        typer.echo(json_text(signed.result))
    else:
        show(signed)


@audit.command("export")
def export_audit(
    into: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, or one that an export was broken off in")],
    data: Folder = HERE,
    url: Annotated[str | None, typer.Option(help="from another machine: the deployment's address, https://reserve.example")] = None,
    client: Annotated[str, typer.Option(help="as whom")] = "auditor-1",
    secret_file: Annotated[Path | None, typer.Option(help="with --url: a file with the client's secret")] = None,
    token_file: Annotated[Path | None, typer.Option(help="with --url: a file with an access token, in the place of a secret")] = None,
) -> None:
    """Takes a bundle of the whole history as of the last checkpoint; everything goes on meanwhile. `reserve audit verify DIR` checks it
    where there is no server.

    Exit code 2: it could not be finished. The same command goes on from what is there.
    """
    from reserve.commands.bundle import export_into
    from reserve.commands.caller import caller_at
    from reserve.commands.token import client_of

    caller = client_of(data, client) if url is None else caller_at(url, client, secret_file, token_file)
    policy = data / "keys" / "witnesses.policy" if url is None else None
    typer.echo(json_text(export_into(into, caller, policy)))


@audit.command("report")
def report(
    bundle: Annotated[Path, typer.Argument(help="a folder that `reserve audit export` made; no server is asked")],
    into: Annotated[Path, typer.Option("--output", "-o", help="the HTML file, complete in itself, for a screen or for paper")] = Path(
        "report.html"
    ),
    pdf: Annotated[Path | None, typer.Option(help="the same, printed by the Chromium of this machine")] = None,
    key: LogKeys = None,
    data: Folder = HERE,
    policy: Policies = None,
) -> None:
    """Audits a bundle and writes what it says: what was checked and what not, each product from intake to partner, what awards bought,
    what was out of the ordinary and why, who signed; and behind each number its events.

    Exit code 1: it does not hold, and the report says where. 2: the bundle cannot be read, and nothing is written.
    """
    from reserve.commands.failure import CHECK_FAILED
    from reserve.commands.report import written

    started = time.monotonic()
    made = written(bundle, into, pdf, key or [], policy or [], data)
    seconds = time.monotonic() - started
    holds = "all of it holds" if made.report.ok else "it does not hold"
    typer.echo(f"{made.report.events:,} events, {holds}: {', '.join(map(str, made.files))}, in {seconds:.1f} s")
    if not made.report.ok:
        raise typer.Exit(CHECK_FAILED)


@audit.command("explain")
def explain(
    thing: Annotated[
        str, typer.Argument(metavar="ID", help="a request, release, draw, lot, loan, decision, right ..., or the place of an event")
    ],
    bundle: Annotated[Path, typer.Option(help="a folder that `reserve audit export` made; no server is asked")],
    as_json: AsJson = False,
) -> None:
    """Tells the life of anything in sentences; behind each its event, the policy and documents, and the instruments of who acted.

    Exit code 2: nothing in the bundle names it, or the bundle cannot be read.
    """
    from reserve.commands.explain import explained, show

    started = time.monotonic()
    life = explained(thing, bundle)
    if as_json:
        typer.echo(json_text(life))
    else:
        show(thing, life, time.monotonic() - started)


@audit.command("decide")
def decide(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="a decision's SHA-256, or its round, rnd_01j...")],
    bundle: Annotated[Path, typer.Option(help="a folder that `reserve audit export` made; no server is asked")],
    policy: Annotated[Path | None, typer.Option(help="by this policy: a file, as .../document gives it, or its terms")] = None,
    facts: Annotated[
        list[str] | None,
        typer.Option("--with", help="req_01j...=accepted_g=50000: with this of a request; lots=5000000=12: of a pool; may be repeated"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Works a round's decision out again by the code that decides rounds, and shows who would have got what, and how many days of supply.

    Exit code 1: what was decided is not what its file comes to. 2: it is not there, or cannot be decided so.
    """
    from reserve.commands.decide import redone, show

    started = time.monotonic()
    found = redone(decision, bundle, policy, facts or [])
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found, time.monotonic() - started)


@audit.command("diff")
def diff(
    one: Annotated[Path, typer.Argument(metavar="A", help="a bundle")],
    other: Annotated[Path | None, typer.Argument(metavar="[B]", help="a later one of the same system")] = None,
    after: Annotated[str | None, typer.Option("--from", help="of one bundle: what was recorded after this instant")] = None,
    until: Annotated[str | None, typer.Option("--to", help="and up to this one")] = None,
    as_json: AsJson = False,
) -> None:
    """Says by thing what was added between two bundles, or two instants of one, and where two bundles have something else.

    Exit code 1: neither bundle goes on from the other. 2: they cannot be compared.
    """
    from reserve.commands.diff import compared, show
    from reserve.commands.failure import CHECK_FAILED

    started = time.monotonic()
    found = compared(one, other, after, until)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found, time.monotonic() - started)
    if not found.goes_on:
        raise typer.Exit(CHECK_FAILED)


@audit.command("changes")
def show_changes(
    bundle: Annotated[Path, typer.Argument(help="a folder that `reserve audit export` made; no server is asked")],
    of: Annotated[list[str] | None, typer.Option(help="of this kind: rules, keys, access, records; may be repeated; otherwise all")] = None,
    after: Annotated[str | None, typer.Option("--from", help="what was recorded after this instant")] = None,
    until: Annotated[str | None, typer.Option("--to", help="and up to this one")] = None,
    as_json: AsJson = False,
) -> None:
    """Tells in their order who changed the rules (policies, agreements, limits, lists), the keys, who may do what, and what is kept.

    Exit code 2: there is no such kind or instant, or the bundle cannot be read.
    """
    from reserve.commands.changes import changed, show

    found = changed(bundle, of or [], after, until)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found)


@audit.command("sample")
def show_sample(
    bundle: Annotated[Path, typer.Argument(help="a folder that `reserve audit export` made; no server is asked")],
    seed: Annotated[str, typer.Option(help="any text, agreed on when both are there: who has it draws the same again")],
    product: Annotated[list[str] | None, typer.Option(help="of this product; may be repeated; otherwise of all")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="how many times a lot is hit")] = None,
    material_g: Annotated[int | None, typer.Option(min=1, help="or as many as find so many grams that are missing, with 95%")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="for a spreadsheet, with the whole sheet and columns to fill in")] = False,
) -> None:
    """Draws the lots that an auditor goes and looks at, by mass; how many units to pick on the floor; and the last movements, for cut-off.

    Exit code 2: nothing of it is in a depot, or the bundle cannot be read.
    """
    from reserve.commands.sample import as_csv as table
    from reserve.commands.sample import drawn, show

    sample = drawn(bundle, product or [], size, material_g, seed)
    if as_csv:
        typer.echo(table(sample), nl=False)
    else:
        show(sample)


@audit.command("as-of")
def as_of(
    bundle: Annotated[Path, typer.Argument(help="a folder that `reserve audit export` made; no server is asked")],
    day: Annotated[str, typer.Argument(metavar="DAY", help="2026-01-31: what counts for this day and the days before")],
    known_at: Annotated[str | None, typer.Option(help="as known by then: 2026-02-01T09:30:00Z; otherwise at the end")] = None,
    asset: Annotated[str | None, typer.Option(help="of this alone: a product, a currency, contained/Sb")] = None,
    as_json: AsJson = False,
) -> None:
    """The books of a day, as the last checkpoint by an instant knew them, and as they are known now: what was recorded late, or corrected.

    Exit code 2: there is no such day or instant, or the bundle cannot be read.
    """
    from reserve.commands.as_of import books_of, show

    started = time.monotonic()
    found = books_of(bundle, day, known_at)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found, asset, time.monotonic() - started)


@audit.command("fork")
def show_fork(file: Path, key: LogKey = None, data: Folder = HERE) -> None:
    """Says which two histories of the log the file proves, that one key has signed. Needs no network. Exit code 1 if it proves none."""
    from reserve.commands.forks import read_fork
    from reserve.commands.receipt import log_key

    for name, head in zip(("seen", "served"), read_fork(file, log_key(key, data)), strict=True):
        typer.echo(f"{name:<8} {head.size} leaves, root {head.root.hex()}")
