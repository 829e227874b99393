"""The `reserve` command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from shared.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Runs and checks a national critical-minerals reserve.")

Folder = Annotated[Path, typer.Option("--data", help="the deployment's folder")]


@app.command()
def up(data: Folder = Path(".reserve"), port: Annotated[int | None, typer.Option(help="the gateway's port")] = None) -> None:
    """Starts everything, waits until it is ready, and serves until Ctrl-C."""
    from services.deployment import Deployment, Endpoints

    deployment = Deployment(data, port)

    def ready(endpoints: Endpoints) -> None:
        typer.echo(f"Reserve is ready at {endpoints.base_url}; clients and addresses are in {deployment.folder}/endpoints.json")

    asyncio.run(deployment.run(ready))


@app.command()
def serve(service: str, port: Annotated[int | None, typer.Option()] = None) -> None:
    """Runs one service; its settings come from the environment."""
    from services.serve import serve as run

    run(service, port)


@app.command()
def migrate() -> None:
    """Brings the database of DATABASE_OWNER_URL and the topics up to this build, and makes the data folder's keys and clients."""
    from services.migrate import prepare

    asyncio.run(prepare(Settings()))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
