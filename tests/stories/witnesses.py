"""Three witnesses of a log, of which any two are enough: served in this process, each from a folder of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from reserve.witness.app import create_app
from reserve.witness.keys import VERIFIER_KEYS, make_keys, open_keys
from reserve.witness.witness import Witness
from shared.clock import Clock, SystemClock
from shared.engines.private_files import private_folder
from shared.proofs.policy import WitnessPolicy, parse_policy
from shared.proofs.signed_note import VerifierKey
from tests.kernel.stage import free_port, serve
from tests.waiting import HANGS_AFTER_S, until

NAMES = ("tokyo", "geneva", "washington")


class Witnesses:
    """`text`: the policy that names them, of Tokyo by its Ed25519 key and of the others by their ML-DSA-44 keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.urls = {name: f"http://127.0.0.1:{free_port()}" for name in NAMES}
        lines = []
        for name in NAMES:
            make_keys(folder / name, f"witness.example/{name}")
            ed25519, ml_dsa = (folder / name / VERIFIER_KEYS).read_text().splitlines()
            lines.append(f"witness {name} {ed25519 if name == 'tokyo' else ml_dsa} {self.urls[name]}")
        self.text = "\n".join([*lines, f"group partners 2 {' '.join(NAMES)}", "quorum partners", ""])

    @property
    def policy(self) -> WitnessPolicy:
        return parse_policy(self.text)

    def name_in(self, data: Path) -> Path:
        """As the policy of a deployment, which reads it when its ledger starts."""
        file = private_folder(data / "keys") / "witnesses.policy"
        file.write_text(self.text)
        return file

    @asynccontextmanager
    async def serving(
        self, log: VerifierKey, *names: str, clock: Clock | None = None, before: Sequence[VerifierKey] = ()
    ) -> AsyncIterator[Mapping[str, httpx.AsyncClient]]:
        """`clock`: that of the deployment, where it is shifted. `before`: of logs that have ended."""
        clock = clock or SystemClock()
        async with AsyncExitStack() as stack:
            clients = {}
            for name in names:
                keys, now = open_keys(self.folder / name), lambda: clock.now().timestamp()
                witness = Witness(self.folder / name / "seen", keys, {each.name: [each] for each in (log, *before)}, now)
                stack.callback(witness.close)
                await stack.enter_async_context(serve(create_app(witness), int(self.urls[name].rpartition(":")[2])))
                clients[name] = await stack.enter_async_context(httpx.AsyncClient(base_url=self.urls[name]))
            yield clients


@asynccontextmanager
async def witness_on(folder: Path, log: str) -> AsyncIterator[httpx.AsyncClient]:
    """A process of `reserve witness`, which is killed at the end."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reserve", "witness", "serve", str(folder), "--log", log, "--port", str(port))
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=HANGS_AFTER_S) as http:

            async def answers() -> bool:
                try:
                    return (await http.get("/none/checkpoint")).status_code == 404
                except httpx.TransportError:
                    return False

            await until(answers)
            yield http
    finally:
        process.kill()
        await process.wait()
