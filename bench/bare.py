"""A bare application: what uvicorn and Starlette alone do with a request of the size of a draw. `python -m bench.bare PORT`."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"drawn":"' + b"." * 500 + b'"}'


async def answer(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, status_code=201, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning", access_log=False)
