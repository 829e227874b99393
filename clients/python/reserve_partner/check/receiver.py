"""A receiver of webhooks on this machine, for as long as a check needs one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BYTES = 1024 * 1024
LOOKED_EVERY_S = 0.05


class Receiver:
    """What arrived: (body, headers), in the order in which it did. All of it is answered 200."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.arrived: list[tuple[bytes, dict[str, str]]] = []

    def wait[T](self, found: Callable[[bytes, dict[str, str]], T | None], within_s: float) -> T | None:
        """The first thing that is found in what arrives. None: nothing is, within so many seconds."""
        ends, seen = time.monotonic() + within_s, 0
        while True:
            while seen < len(self.arrived):
                if (what := found(*self.arrived[seen])) is not None:
                    return what
                seen += 1
            if time.monotonic() > ends:
                return None
            time.sleep(LOOKED_EVERY_S)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """On the loopback; 0: at any free port. Raises OSError where the port is taken."""
    receiver = Receiver(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length", 0)), MOST_BYTES)
            receiver.arrived.append((self.rfile.read(length), dict(self.headers)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the check has a table of its own."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()
