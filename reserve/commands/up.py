"""`reserve up`: all of Reserve in one folder, until it is interrupted; with `--seed demo`, a sandbox that one can ask for something."""

import asyncio
import sys
from pathlib import Path

import httpx
import structlog
import typer

from reserve.client import ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.demo import sandbox
from reserve.demo.parties import Unexpected
from reserve.demo.screen import Screen
from reserve.operate.deployment import Deployment
from reserve.operate.endpoints import Endpoints
from reserve.operate.production import Refused
from shared.delivery.tokens import TokenUnavailable
from shared.engines.processes import Died
from shared.observe.logs import lines_to


def up(folder: Path, port: int | None, seed: str | None) -> None:
    if seed not in (None, sandbox.NAME):
        fail(f"--seed: {seed} is no sandbox (accepted: {sandbox.NAME})")
    structlog.configure(logger_factory=lines_to(sys.stdout))
    try:
        deployment = Deployment(folder, port)
    except Refused as refused:
        fail(str(refused))
    try:
        asyncio.run(_serve(deployment, seeds=seed is not None))
    except Died as died:
        fail(str(died), CHECK_FAILED)


async def _serve(deployment: Deployment, *, seeds: bool) -> None:
    seeding: list[asyncio.Task[None]] = []

    def ready(endpoints: Endpoints) -> None:
        typer.echo(f"Reserve is ready at {endpoints.base_url}; clients and addresses are in {deployment.folder}/endpoints.json")
        typer.echo(f"The console is at {deployment.console_url}/; `reserve password --login operator-1` says what to sign in with")
        if seeds:
            seeding.append(asyncio.create_task(_seed(deployment.folder, endpoints)))

    try:
        await deployment.run(ready)
    finally:
        for task in seeding:
            task.cancel()


async def _seed(folder: Path, endpoints: Endpoints) -> None:
    """What becomes of it ends nothing: the deployment serves as it is."""
    try:
        await sandbox.fill(folder, endpoints, Screen(plain=not sys.stdout.isatty()))
    except (sandbox.NotNew, Unexpected, ProblemAnswer, TokenUnavailable, httpx.TransportError) as error:
        typer.echo(f"reserve: --seed: {why(error)}", err=True)
    else:
        typer.echo("\n".join(["\nNext, in another shell:\n", *sandbox.next_commands(folder, endpoints)]))
