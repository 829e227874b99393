"""A network that fails when it is told to: after the Reserve has done what it was asked, and before the client hears of it."""

from collections.abc import Iterator

import httpx


class FailingNetwork(httpx.BaseTransport):
    """`lose_next`: the answer to the next command does not arrive. `break_stream`: the next stream breaks after its first event. Each is
    over once it has happened."""

    def __init__(self, network: httpx.BaseTransport | None = None) -> None:
        self._network = network or httpx.HTTPTransport()
        self.lose_next = self.break_stream = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._network.handle_request(request)
        if self.lose_next and request.method == "POST" and "idempotency-key" in request.headers:
            self.lose_next = False
            answer.read()
            answer.close()
            raise httpx.ReadError("the check has cut the connection", request=request)
        if self.break_stream and answer.headers.get("content-type", "").startswith("text/event-stream"):
            self.break_stream = False
            assert isinstance(answer.stream, httpx.SyncByteStream)
            answer.stream = _Breaking(answer.stream)
        return answer

    def close(self) -> None:
        self._network.close()


class _Breaking(httpx.SyncByteStream):
    def __init__(self, whole: httpx.SyncByteStream) -> None:
        self._whole = whole

    def __iter__(self) -> Iterator[bytes]:
        told = b""
        for chunk in self._whole:
            told += chunk
            first, ended, _ = told.partition(b"\n\n")
            if ended and b"data:" in first:
                yield first + ended
                break
            if ended:  # what says only that the stream is there
                told = told.partition(b"\n\n")[2]
        raise httpx.ReadError("the check has cut the stream")

    def close(self) -> None:
        self._whole.close()
