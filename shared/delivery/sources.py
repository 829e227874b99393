"""Sources: other services' journals and documents over HTTP, asked with this service's own token."""

from hashlib import sha256

import httpx
import msgspec

from shared.delivery.tokens import TokenSource, TokenUnavailable
from shared.tls import trusted


class Unanswered(Exception):
    """The source, or the issuer of tokens, does not answer, or answers with an error."""


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
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, connect=2.0), verify=trusted())

    async def close(self) -> None:
        await self._client.aclose()
        await self.tokens.aclose()

    async def get(self, service: str, path: str, **params: str | int) -> bytes | None:
        """The answer's body; None where the service has no such thing. Raises `Unanswered`."""
        try:
            token = await self.tokens.token()
            answer = await self._client.get(self.urls[service] + path, params=params, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self.tokens.refused()
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
        except (httpx.HTTPError, TokenUnavailable) as error:
            raise Unanswered(f"{service}: {error!r}") from error
        return answer.content

    async def head(self, service: str, shard: int, *, at: int) -> tuple[int, bytes | None]:
        """(last position, chain hash at position `at`; None beyond the end)."""
        content = await self._found(service, f"/v1/journal/heads/{shard}", at=at)
        try:
            head = msgspec.json.decode(content, type=HeadAnswer)
            return head.position, None if head.chain_hash_at is None else bytes.fromhex(head.chain_hash_at)
        except ValueError as error:
            raise Unanswered(f"{service} answers with no head: {error!r}") from error

    async def feed(self, service: str, shard: int, *, after: int, limit: int) -> bytes:
        """The answer of GET /v1/journal."""
        return await self._found(service, "/v1/journal", shard=shard, after=after, limit=limit)

    async def document(self, service: str, name: str) -> bytes | None:
        """The document of that SHA-256; None where the service does not have it. Raises `WrongDocument` when the bytes are others."""
        content = await self.get(service, f"/v1/documents/{name}")
        if content is not None and sha256(content).hexdigest() != name:
            raise WrongDocument(f"{service} gave other bytes than {name}")
        return content

    async def _found(self, service: str, path: str, **params: str | int) -> bytes:
        if (content := await self.get(service, path, **params)) is None:
            raise Unanswered(f"{service} has no {path}")
        return content
