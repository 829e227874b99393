"""Draining: whoever is answered when the edge is told to end is answered whole, and nobody new is let in.

Envoy itself ends at once on SIGTERM, which is all that a platform of containers sends. So it is the child of this program, of the standard
library alone:

    python draining.py ADMIN_SOCKET envoy --config-path envoy.json ...

Told to end, it has Envoy refuse new connections and close each one after its answer, and ends it once no answer is under way, or after
`WITHIN_S`; told again, at once. Killed, it takes Envoy with it where the system is Linux.
"""

import contextlib
import ctypes
import http.client
import signal
import socket
import subprocess
import sys
import time

WITHIN_S = 8.0  # of the ten after which Docker kills; a stream of events would last
LOOKED_EVERY_S = 0.05
STATISTICS = ("http.edge.downstream_rq_active", "http.edge.downstream_cx_tx_bytes_buffered")  # requests, and what is still to be sent
TOLD = {signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG = 1


class Admin(http.client.HTTPConnection):
    """Envoy's, at a socket of files."""

    def __init__(self, path: str) -> None:
        super().__init__("admin", timeout=WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def asked(admin_socket: str, method: str, target: str) -> str:
    """Raises OSError, or http.client.HTTPException, where nobody answers."""
    admin = Admin(admin_socket)
    try:
        admin.request(method, target)
        return admin.getresponse().read().decode()
    finally:
        admin.close()


def drain(admin_socket: str) -> None:
    """Returns when nothing is under way, the time is up, or we are told again."""
    until = time.monotonic() + WITHIN_S
    asked(admin_socket, "POST", "/drain_listeners?graceful&skip_exit")  # answers say that their connection ends with them
    asked(admin_socket, "POST", "/drain_listeners")  # and nobody new comes
    while under_way(admin_socket) and time.monotonic() < until and not signal.sigpending() & TOLD:
        time.sleep(LOOKED_EVERY_S)


def under_way(admin_socket: str) -> bool:
    said = asked(admin_socket, "GET", f"/stats?filter=^({'|'.join(STATISTICS)})$")
    return any(int(line.rpartition(": ")[2]) for line in said.splitlines())


def child() -> None:
    """In Envoy's process, before it is Envoy."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD | {signal.SIGCHLD})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(admin_socket: str, *command: str) -> int:
    """The exit status: Envoy's, or 128 and the signal that it died of."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD | {signal.SIGCHLD})  # they wait until they are asked for
    envoy = subprocess.Popen(command, preexec_fn=child)
    while envoy.poll() is None:
        if signal.sigwait(TOLD | {signal.SIGCHLD}) in TOLD:
            with contextlib.suppress(OSError, http.client.HTTPException):  # it does not listen yet, or has ended
                drain(admin_socket)
            envoy.terminate()
            envoy.wait()
    return envoy.returncode if envoy.returncode >= 0 else 128 - envoy.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
