"""wrk, the load generator: compiled, so that it takes as little as it can of the processors that it shares with what it measures.

The machine's own, where there is one; otherwise Debian's package, unpacked into this user's cache. Only the bench needs it.
"""

import asyncio
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.engines.private_files import cache_folder

SCRIPT = Path(__file__).with_name("posts.lua")
VERSION = "4.1.0-3+b2"
PACKAGES = (f"wrk={VERSION}", "libluajit-5.1-2")  # what it needs besides is on every Debian with Python
PATIENCE_S = 30
SHOWN = 300  # of an answer, in characters
FIRST = 2  # what a storm sends first: wrk asks its script for one before, to look at
FETCHED_WITHIN_S = 300  # each step


class Load(msgspec.Struct, frozen=True):
    """What a storm measured. When it ends, up to one request a client is under way, and not counted here."""

    answered: int
    refused: int  # 4xx, 5xx
    broken: int  # no answer
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_s: float = 0.0  # of the generator itself

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


async def post_many(base_url: str, paths: Sequence[str], token: str, body: bytes, *, clients: int, seconds: float, key_prefix: str) -> Load:
    """`clients` connections for `seconds`, each sending its next POST when the last is answered. A machine on which that is too short for
    one answer gets twice the time, with the same keys, once the first is answered.

    Raises RuntimeError if any was refused or got no answer: then the figure would mean nothing; and as `find_wrk` does.
    """
    wrk, environment = find_wrk()
    prefix = urlsplit(base_url).path.rstrip("/")
    load = ("--threads=1", f"--connections={clients}", f"--duration={round(seconds)}s", f"--timeout={PATIENCE_S}s")
    arguments = (key_prefix, token, body.decode(), *(prefix + path for path in paths))
    before = _children_cpu_s()
    process = await asyncio.create_subprocess_exec(
        wrk, *load, f"--script={SCRIPT}", base_url, "--", *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"wrk ended with status {process.returncode}: {output.decode()}")
    found = msgspec.json.decode(output.splitlines()[-1], type=Load)
    if found.refused or found.broken:
        one_more = await _posted(base_url, paths, token, body, key_prefix, number=0)
        raise RuntimeError(f"POSTs were refused or not answered: {found}; one more is answered: {one_more}")
    if not found.answered:
        await _posted(base_url, paths, token, body, key_prefix, number=FIRST)  # behind what is under way: nobody has more at once
        return await post_many(base_url, paths, token, body, clients=clients, seconds=2 * seconds, key_prefix=key_prefix)
    return msgspec.structs.replace(found, cpu_s=_children_cpu_s() - before)


async def _posted(base_url: str, paths: Sequence[str], token: str, body: bytes, key_prefix: str, *, number: int) -> str:
    """What one of the storm's POSTs, by its number, is answered with: wrk does not say why one is refused."""
    url = base_url.rstrip("/") + paths[number % len(paths)]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"{key_prefix}-{number}"}
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        try:
            answer = await http.post(url, content=body.replace(b"{n}", str(number).encode()), headers=headers)
        except httpx.TransportError as error:
            return repr(error)
    return f"{answer.status_code} {answer.text[:SHOWN]}"


def find_wrk() -> tuple[str, dict[str, str]]:
    """The program and the environment that it runs in. Raises RuntimeError where there is none and none can be had."""
    if (own := shutil.which("wrk")) is not None:
        return own, dict(os.environ)
    folder = cache_folder() / f"wrk-{VERSION}"
    if not folder.exists():
        _fetch(folder)
    libraries = ":".join(str(path) for path in sorted(folder.glob("usr/lib/*")) if path.is_dir())
    return str(folder / "usr/bin/wrk"), dict(os.environ) | {"LD_LIBRARY_PATH": libraries}


def _fetch(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise RuntimeError("the bench needs wrk: install it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        unpacked = Path(work) / "unpacked"
        try:
            lists = Path(work) / "lists"  # our own: the machine's may be old, or none
            (lists / "partial").mkdir(parents=True)
            apt = ("apt-get", "-o", f"Dir::State::lists={lists}")
            for command in ((*apt, "update"), (*apt, "download", *PACKAGES)):
                subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=FETCHED_WITHIN_S)
            for package in Path(work).glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True, capture_output=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = (error.stderr or b"").decode()
            raise RuntimeError(f"the bench needs wrk, and Debian's could not be had: {error} {said}") from error
        unpacked.rename(folder)


def _children_cpu_s() -> float:
    """Of the children that have ended: while a storm lasts, wrk alone does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
