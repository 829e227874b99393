"""The witness over HTTP: what a log submits, and what monitors read. No token: everything in it is signed."""

import asyncio

from fastapi import FastAPI, Request, Response

from reserve.witness.witness import MAX_REQUEST_BYTES, Answer, Witness

SENT_WITHIN_S = 10.0  # the whole of a request, be it sent a byte at a time


def create_app(witness: Witness) -> FastAPI:
    app = FastAPI(title="Reserve witness", openapi_url=None)
    one_at_a_time = asyncio.Lock()

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        try:
            async with asyncio.timeout(SENT_WITHIN_S):
                async for piece in request.stream():
                    if len(body) + len(piece) > MAX_REQUEST_BYTES:
                        return _response(Answer(413, f"a request has at most {MAX_REQUEST_BYTES} bytes\n"))
                    body += piece
        except TimeoutError:
            return _response(Answer(408, f"a request is sent within {SENT_WITHIN_S:g} s\n"))
        async with one_at_a_time:
            return _response(await asyncio.to_thread(witness.add_checkpoint, bytes(body)))

    @app.get("/{origin_hash}/checkpoint")
    async def show_checkpoint(origin_hash: str) -> Response:
        return _response(await asyncio.to_thread(witness.checkpoint, origin_hash))

    return app


def _response(answer: Answer) -> Response:
    return Response(answer.text, answer.status, headers={"Content-Type": answer.content_type})  # to the letter: C2SP names no charset
