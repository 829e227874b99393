"""A bare application: what uvicorn and Starlette alone do with a request of the size of a draw. `python -m bench.bare PORT [KEYS]`, where
KEYS is a file with an issuer's keys, which it publishes."""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"drawn":"' + b"." * 500 + b'"}'
LARGE = b"." * (1 << 20)


async def answer(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, status_code=201, media_type="application/json")


async def large(_request: Request) -> Response:
    return Response(LARGE)


def main(port: int, keys: bytes) -> None:
    async def published(_request: Request) -> Response:
        return Response(keys, media_type="application/json")

    routes = [
        Route("/.well-known/jwks.json", published),
        Route("/v1/large", large),
        Route("/{path:path}", answer, methods=["GET", "POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes() if len(sys.argv) > 2 else b"{}")
