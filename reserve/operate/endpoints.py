"""Endpoints: where a deployment answers, as its folder says it."""

from pathlib import Path

import msgspec

from services.identity.clients import LocalClient


class Endpoints(msgspec.Struct, frozen=True):
    """`DIR/endpoints.json`: where everything answers, and the clients that may ask."""

    base_url: str
    services: dict[str, str]
    issuer: str
    clients: list[LocalClient]
    pids: dict[str, int]

    def client(self, client_id: str) -> LocalClient:
        """Raises LookupError for a client that there is not."""
        for client in self.clients:
            if client.client_id == client_id:
                return client
        raise LookupError(f"no client {client_id}; there are {', '.join(client.client_id for client in self.clients)}")


def read_endpoints(folder: Path) -> Endpoints:
    """Raises FileNotFoundError where nothing has been started in `folder`."""
    return msgspec.json.decode((folder / "endpoints.json").read_bytes(), type=Endpoints)
