"""Sources: other services' journals and documents over HTTP, asked with this service's own token."""

from hashlib import sha256

import httpx
import msgspec

from shared.auth import TokenSource, TokenUnavailable

UNANSWERED = (httpx.HTTPError, TokenUnavailable)  # the source, or the issuer, does not answer or answers with an error


class WrongDocument(Exception):
    """A source gave bytes that are not the ones the name stands for."""


class HeadAnswer(msgspec.Struct, frozen=True):
    """GET /v1/journal/heads/{shard}?at=: where the shard ends, and the chain hash at `at` (null beyond the end)."""

    position: int
    chain_hash_at: str | None


class Sources:
    """`urls` maps each service to its base URL."""

    def __init__(self, urls: dict[str, str], tokens: TokenSource) -> None:
        self.urls = urls
        self.tokens = tokens
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, connect=2.0))

    async def close(self) -> None:
        await self._client.aclose()
        await self.tokens.aclose()

    async def get(self, service: str, path: str, **params: str | int) -> httpx.Response:
        """Raises `httpx.HTTPError` when the service does not answer, or answers with an error."""
        token = await self.tokens.token()
        answer = await self._client.get(self.urls[service] + path, params=params, headers={"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
        return answer

    async def head(self, service: str, shard: int, *, at: int) -> tuple[int, bytes | None]:
        """(last position, chain hash at position `at`; None beyond the end)."""
        answer = await self.get(service, f"/v1/journal/heads/{shard}", at=at)
        head = msgspec.json.decode(answer.content, type=HeadAnswer)
        return head.position, None if head.chain_hash_at is None else bytes.fromhex(head.chain_hash_at)

    async def feed(self, service: str, shard: int, *, after: int, limit: int) -> bytes:
        answer = await self.get(service, "/v1/journal", shard=shard, after=after, limit=limit)
        return answer.content

    async def document(self, service: str, name: str) -> bytes:
        """The document of that SHA-256. Raises `WrongDocument` when the bytes are others."""
        answer = await self.get(service, f"/v1/documents/{name}")
        if sha256(answer.content).hexdigest() != name:
            raise WrongDocument(f"{service} gave other bytes than {name}")
        return answer.content
