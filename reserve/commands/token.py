"""`reserve token`: an access token of one of the deployment's clients."""

import asyncio
from pathlib import Path

from reserve.client import Client
from reserve.commands.failure import fail
from reserve.commands.settings import settings_for
from reserve.operate.production import OF_FOLDER
from shared.delivery.tokens import TokenUnavailable
from shared.http.duty import scope_of


def token(folder: Path, client_id: str, duty: str | None = None) -> str:
    return asyncio.run(_token(client_of(folder, client_id, None if duty is None else scope_of(duty))))


def client_of(folder: Path, client_id: str, scope: str | None = None) -> Client:
    """The client, or what says why there is none."""
    settings_for(OF_FOLDER)
    try:
        return Client.of(folder, client_id, scope=scope)
    except FileNotFoundError:
        fail(f"--data: {folder} has no endpoints.json; start a deployment there with: reserve up --data {folder}")
    except LookupError as error:
        fail(f"--client: {error}")


async def _token(client: Client) -> str:
    async with client:
        try:
            return await client.token()
        except TokenUnavailable as error:
            fail(f"{error}: is the deployment running, and may the client have such a token?", exit_code=1)
