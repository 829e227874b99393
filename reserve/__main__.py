"""The `reserve` command: a list of commands. What each does stands in `reserve/commands/`, or with the service that it runs."""

import asyncio
import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reserve.audits import audit
from reserve.checks import certificate, receipt, witness
from reserve.keys import approver_key, client_key
from reserve.options import HERE, AsJson, Folder, PinnedLogKey, json_text

if TYPE_CHECKING:
    from reserve.operate.backup import Head

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Runs and checks a national critical-minerals reserve.")
journal = typer.Typer(no_args_is_help=True, help="Services' journals.")
tender = typer.Typer(no_args_is_help=True, help="Tenders, with no server.")
loans = typer.Typer(no_args_is_help=True, help="Loans, with no server.")
app.add_typer(approver_key, name="approver-key")
app.add_typer(client_key, name="client-key")
app.add_typer(receipt, name="receipt")
app.add_typer(certificate, name="certificate")
app.add_typer(audit, name="audit")
app.add_typer(witness, name="witness")
app.add_typer(journal, name="journal")
app.add_typer(tender, name="tender")
app.add_typer(loans, name="loans")


@app.command()
def up(
    data: Folder = HERE,
    port: Annotated[int | None, typer.Option(help="the edge's port")] = None,
    seed: Annotated[str | None, typer.Option(help="fill a new deployment with partners, people, agreements and stock: demo")] = None,
) -> None:
    """Starts everything, waits until it is ready, and serves until Ctrl-C. What takes long to start is said, on standard error."""
    from reserve.commands.up import up as run

    run(data, port, seed)


@app.command()
def serve(service: str, port: Annotated[int | None, typer.Option()] = None) -> None:
    """Runs one service; its settings come from the environment."""
    gc.disable()  # until it serves: what is imported stays, and need not be looked through
    from reserve.commands.failure import fail
    from reserve.operate.production import Refused
    from reserve.operate.serve import serve as run

    try:
        run(service, port)
    except Refused as refused:
        fail(str(refused))


@app.command()
def migrate() -> None:
    """Brings the database of DATABASE_OWNER_URL and the topics up to this build, and makes the data folder's keys and clients."""
    from reserve.commands.failure import fail
    from reserve.commands.settings import settings_for
    from reserve.operate.migrate import prepare, refuse_passwords

    settings = settings_for("migrate")
    try:
        refuse_passwords(settings)
    except ValueError as refused:
        fail(str(refused))
    asyncio.run(prepare(settings))


@app.command()
def password(
    login: Annotated[str, typer.Option(help="such as operator-1, approver-1, auditor-1, admin-1, partner-jp")],
    data: Folder = HERE,
) -> None:
    """The password of a local deployment's person, for the console."""
    from reserve.commands.password import password as run

    run(login, data)


@app.command()
def token(
    client: Annotated[str, typer.Option(help="such as partner-jp, operator-1, auditor-1")],
    duty: Annotated[str | None, typer.Option(help="for a shift, and for what cannot wait: on_call")] = None,
    data: Folder = HERE,
) -> None:
    """Prints an access token of one of the deployment's clients."""
    from reserve.commands.token import token as fetch

    typer.echo(fetch(data, client, duty))


@app.command()
def approve(
    file: Annotated[Path, typer.Argument(help="what is proposed, as GET .../decision, .../proposal or .../document gives it")],
    key: Annotated[Path, typer.Option(help="the approver's key file")],
    approver: Annotated[str, typer.Option(help="the approver's subject")],
    authority: Annotated[str | None, typer.Option(help="the instrument that you act under, ins_01j...")] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="what the file must be, a decision or a loan_proposal; of a decision also ratification, attestation"),
    ] = None,
    log_key: PinnedLogKey = None,
    data: Folder = HERE,
    out: Annotated[Path | None, typer.Option(help="where to write the approval; otherwise standard output")] = None,
) -> None:
    """Shows what is proposed, and signs its hash. A decision is recomputed: what does not come out the same is not signed."""
    from reserve.commands.approve import Signer, show, sign, to_be_signed
    from reserve.commands.receipt import log_key as pinned

    signer = Signer(approver=approver, key_file=key, origin=pinned(log_key, data, "--log-key").name, authority=authority)
    document = to_be_signed(file, purpose)
    show(document, signer)
    signed = sign(document, signer)
    if out is None:
        typer.echo(signed.decode())
    else:
        out.write_bytes(signed)


@app.command()
def allocate(
    rule: Annotated[str, typer.Option(help="pro_rata, quota_capped, equal_awards, equal_losses, talmud, iep or priority")],
    supply: Annotated[str, typer.Option(help="grams on offer, or units of several sizes: 5000000x10,50000x7")],
    claims: Annotated[str, typer.Option(help="grams by claimant: a=50,b=100")],
    unit: Annotated[str, typer.Option(help="the trade unit, in grams")] = "1",
    inside: Annotated[str, typer.Option(help="the rule inside each class of priority: talmud, or 0=talmud,1=pro_rata")] = "",
    classes: Annotated[str, typer.Option(help="classes of priority, 0 first: a=0,b=1")] = "",
    caps: Annotated[str, typer.Option(help="the most that a claimant may get, in grams: a=40")] = "",
    minimums: Annotated[str, typer.Option(help="less than this is of no use, in grams: a=10")] = "",
    carries: Annotated[str, typer.Option(help="what rounding owes from earlier rounds, in grams: a=7/3,b=-1")] = "",
    positions: Annotated[str, typer.Option(help="for iep: a=base:commitment:production:imports, in grams")] = "",
    restraint: Annotated[str, typer.Option(help="for iep: permissible consumption as a part of the base, 93/100")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="the working, step by step")] = False,
    as_json: AsJson = False,
) -> None:
    """The allocation rules as a calculator; no server is asked."""
    from reserve.commands.allocate import Asked, show, work_out

    asked = Asked(rule, supply, claims, unit, inside, classes, caps, minimums, carries, positions, restraint)
    awarded = work_out(asked, explained=explain)
    if as_json:
        typer.echo(json_text(awarded))
    else:
        show(asked, awarded)


@tender.command("bid")
def tender_bid(
    file: Annotated[Path, typer.Argument(help="a new file for the bid and its salt: keep it, and show it to nobody")],
    name: Annotated[str, typer.Option("--tender", help="the tender, tnd_01j...")],
    bidder: Annotated[str, typer.Option(help="the partner's code, such as JP")],
    steps: Annotated[str, typer.Option(help="price:units, the highest price first: 2600:4,2500.5:4 (minor units for a kilogram)")],
    as_json: AsJson = False,
) -> None:
    """Seals a bid: writes it with a new salt, and prints the commitment, which is what is sent first."""
    from reserve.commands.tender import seal_bid

    commitment = seal_bid(file, name, bidder, steps)
    typer.echo(json_text({"commitment": commitment}) if as_json else commitment)


@tender.command("verify")
def tender_verify(
    file: Annotated[Path, typer.Argument(help="the decision as /allocation/v1/tenders/tnd_01j.../decision gives it to the bidder")],
    bid: Annotated[Path | None, typer.Option(help="also that its line is of the bid that `reserve tender bid` wrote here")] = None,
    decision: Annotated[str | None, typer.Option(help="the SHA-256 that a receipt names: the file must be of it")] = None,
    as_json: AsJson = False,
) -> None:
    """Works a bidder's own award out again, and says what cannot be checked without the others' bids. Needs no network. Exit code 1 if
    anything does not hold, 3 if all does and nothing from elsewhere says that this is the decision."""
    from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY, fail
    from reserve.commands.tender import show, verified

    found = verified(file, bid)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(found)
    if found.checked.failed:
        first = found.checked.failed[0]
        fail(f"{file} does not hold: {first.where}: {first.words}", CHECK_FAILED)
    if decision is None:
        fail(f"{file}: nothing from elsewhere names this decision (--decision): anybody may have written it", SEEN_BY_NOBODY)
    if decision != found.decision:
        fail(f"{file} is of the decision {found.decision}, and not of {decision}", CHECK_FAILED)


@app.command()
def backtest(
    policy: Annotated[list[Path], typer.Option(help="a policy's file, as .../document gives it, or its terms; may be repeated")],
    scenario: Annotated[list[str] | None, typer.Option(help="of the library, such as japan-2026; otherwise all; may be repeated")] = None,
    as_json: AsJson = False,
) -> None:
    """What policies would have given in the disruptions of the library; no server is asked."""
    from reserve.commands.backtest import backtest as run
    from services.allocation.domain.policies.backtest_text import text_of

    tried = run(policy, scenario or [])
    typer.echo(json_text(tried) if as_json else text_of(tried))


@loans.command("schedule")
def loan_schedule(
    principal: Annotated[str, typer.Option(help="what is lent, such as 10000.00")],
    rate: Annotated[str, typer.Option(help="% a year, such as 12 or 5.25")],
    start: Annotated[str, typer.Option(help="the day on which it is lent, such as 2024-01-31")],
    periods: Annotated[str, typer.Option(help="how many payments there are")],
    every: Annotated[str, typer.Option(help="1w, 2w, 1m, 2m, 3m, 4m, 6m or 1y")] = "1m",
    day_count: Annotated[str, typer.Option(help="30/360, 30E/360, ACT/360, ACT/365F or ACT/ACT (ISDA)")] = "ACT/365F",
    kind: Annotated[str, typer.Option(help="equal, equal_principal, bullet, balloon, interest_only, capitalised or step")] = "equal",
    interest_only: Annotated[str, typer.Option(help="first periods of which interest alone is paid")] = "0",
    capitalise: Annotated[str, typer.Option(help="first periods of which the interest is added to the principal")] = "0",
    instalment: Annotated[str | None, typer.Option(help="of the kind equal: what is paid each time, and no longer than it takes")] = None,
    balloon: Annotated[str | None, typer.Option(help="of the kind balloon: what is paid with the last instalment")] = None,
    step: Annotated[str | None, typer.Option(help="of the kind step: 12:1.03 multiplies the instalment by 1.03 each 12 periods")] = None,
    calendar: Annotated[str, typer.Option(help="of business days: none, weekends, AU, AU-NSW, JP ...")] = "none",
    adjust: Annotated[str | None, typer.Option(help="none, following, modified_following (if a calendar is given) or preceding")] = None,
    adjust_accrual: Annotated[bool, typer.Option("--adjust-accrual", help="interest accrues between moved days, too")] = False,
    advance: Annotated[list[str] | None, typer.Option(help="DAY=AMOUNT: more is lent; may be repeated")] = None,
    prepay: Annotated[list[str] | None, typer.Option(help="DAY=AMOUNT, or DAY=AMOUNT:term to end sooner; may be repeated")] = None,
    reset: Annotated[list[str] | None, typer.Option(help="DAY=RATE: the rate from then on; may be repeated")] = None,
    currency: Annotated[str, typer.Option(help="by its ISO 4217 code; it says how many digits there are")] = "AUD",
    as_json: AsJson = False,
) -> None:
    """What a loan is to pay, and when; no server is asked."""
    from reserve.commands.loans import Asked, show, work_out

    asked = Asked(
        principal=principal,
        rate=rate,
        start=start,
        periods=periods,
        every=every,
        day_count=day_count,
        kind=kind,
        interest_only=interest_only,
        capitalise=capitalise,
        instalment=instalment,
        balloon=balloon,
        step=step,
        calendar=calendar,
        adjust=adjust,
        adjust_accrual=adjust_accrual,
        advance=tuple(advance or ()),
        prepay=tuple(prepay or ()),
        reset=tuple(reset or ()),
        currency=currency,
    )
    shown = work_out(asked)
    if as_json:
        typer.echo(json_text(shown))
    else:
        show(asked, shown)


@app.command()
def rebuild(
    service: str,
    data: Folder = HERE,
    swap: Annotated[bool, typer.Option("--swap", help="put them in the place of the live ones")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes a service's read tables anew from the journals and compares them with the live ones. Exit code 1 if they differ."""
    from reserve.commands.failure import CHECK_FAILED
    from reserve.commands.rebuild import compare, show
    from reserve.commands.rebuild import swap as swap_tables

    if swap:
        typer.echo(json_text(swap_tables(service, data)))
        return
    compared = compare(service, data)
    if as_json:
        typer.echo(json_text(compared))
    else:
        show(service, compared)
    if not all(each.equal for each in compared):
        raise typer.Exit(CHECK_FAILED)


@app.command()
def backup(
    into: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder")],
    data: Folder = HERE,
    service: Annotated[str | None, typer.Option(help="of this service alone: its journal and tables")] = None,
) -> None:
    """Copies a running deployment; everything goes on meanwhile. No private key and no password is in the copy."""
    from reserve.commands.backup import backup as run

    made = run(into, data, service)
    typer.echo(json_text({"made_at": made.made_at, "service": made.service, "heads": positions(made.heads)}))


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="DIR", help="what `reserve backup` made")],
    data: Folder,
    service: Annotated[str | None, typer.Option(help="puts this service alone back to the past, in the deployment of --data")] = None,
    secrets: Annotated[Path | None, typer.Option(help="a folder with the private files, such as the old deployment's")] = None,
    last_checkpoint: Annotated[
        Path | None,
        typer.Option(help="a file with a checkpoint of the log that others hold, later than the backup's"),
    ] = None,
    history: Annotated[int | None, typer.Option(help="the new history's number; otherwise, the next one")] = None,
) -> None:
    """Checks a backup, and lays out a new folder that `reserve up` can serve. What happened after the backup is not in it: it begins a new
    history, with another log and key."""
    from reserve.commands.restore import restore as run

    restored = run(backup, data, service, secrets, last_checkpoint, history)
    begun = {} if restored.begun is None else {"new_history": restored.begun}
    typer.echo(json_text({"heads": positions(restored.heads)} | begun))


@journal.command()
def recover(
    service: str,
    data: Folder = HERE,
    documents: Annotated[Path | None, typer.Option(help="a folder with documents that no service has, each named by its SHA-256")] = None,
) -> None:
    """Appends what a restored journal lacks, byte for byte, from the ledger's copy and from Kafka. Exit code 1 if it is held by nobody."""
    from reserve.commands.recover import recover as run

    typer.echo(json_text(run(service, data, documents)))


@journal.command("tiles")
def rebuild_tiles(data: Folder = HERE) -> None:
    """Writes those tiles of the log that are missing, from what the ledger has recorded. What is there is never changed.

    Exit code 1 if that is another tree than was signed.
    """
    from reserve.commands.recover import rebuild_tiles as run

    typer.echo(json_text(run(data)))


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="a new folder, which is kept; otherwise a temporary one")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="no colours, and nothing that moves")] = False,
) -> None:
    """What if the Reserve had been operating on 6 January 2026: shown, replayed, and summed up in one line of JSON."""
    from reserve.commands.demo import demo as run
    from reserve.commands.failure import CHECK_FAILED

    summary = run(data, plain=plain)
    typer.echo(json_text(summary))
    if not summary.ok:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="of the benches to run; otherwise all of them")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="of each storm of draws")] = 30,
    clients: Annotated[int, typer.Option(min=1, max=128, help="that draw at once, as one partner: a service takes no more of one")] = 64,
    events: Annotated[int, typer.Option(min=1_000, help="of the long-lived journal, and of the audit of all of it")] = 10_000_000,
    quick: Annotated[bool, typer.Option("--quick", help="does each bench run at all? Its figures mean nothing")] = False,
) -> None:
    """How fast it is, against what the machine could do at all: a line of JSON a figure, and at the end the targets that were missed."""
    from bench.figures import QUICK, Options
    from reserve.commands.bench import bench as run

    run(names or [], QUICK if quick else Options(seconds, clients, events))


def positions(heads: Mapping[str, "Head"]) -> dict[str, int]:
    return {line: head.position for line, head in heads.items()}


def main() -> None:
    os.umask(0o077)  # whatever a command writes, and each program that it starts, is for its user alone
    app()


if __name__ == "__main__":
    main()
