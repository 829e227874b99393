"""Documented: a problem that an operation gives has a code that its document lists. Clients of tests look at each."""

import json
import re
from functools import cache
from typing import Any

import httpx

from reserve.api_documents import FOLDER
from reserve.client import Client, ProblemAnswer
from services.registry import JOURNALED


async def listed(answer: httpx.Response) -> None:
    """For `httpx.AsyncClient(event_hooks={"response": [listed]})`."""
    if answer.headers.get("content-type") == "application/problem+json":
        await answer.aread()
        require_listed(answer.request.method, answer.request.url.path, answer.json()["code"])


class Documented(Client):
    """A client which holds each problem against the documents."""

    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return await super().request(method, path, **how)
        except ProblemAnswer as problem:
            require_listed(method, path, problem.code)
            raise


def require_listed(method: str, path: str, code: str) -> None:
    """`path`: with the service's prefix, or as the service knows it, when it may be several's. No document has those of tests."""
    found = [codes for verb, pattern, codes in _operations() if verb == method and pattern.fullmatch(path)]
    assert not found or code in set().union(*found), f"{method} {path} gives {code}, which its document does not list"


@cache
def _operations() -> list[tuple[str, re.Pattern[str], frozenset[str]]]:
    return [
        (method.upper(), re.compile(f"(/{name})?" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), _codes(operation))
        for name in JOURNALED
        for path, operations in json.loads((FOLDER / f"{name}.openapi.json").read_text())["paths"].items()
        for method, operation in operations.items()
    ]


def _codes(operation: Any) -> frozenset[str]:
    return frozenset(operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"])
