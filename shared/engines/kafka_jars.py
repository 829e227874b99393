"""Kafka's jars: fetched once for each user by the coordinates in deploy/kafka/jars.lock, and checked against the hashes there."""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from shared.engines.private_files import cache_folder, sha256_of

LOCK = Path(__file__).parents[2] / "deploy" / "kafka" / "jars.lock"
THREADS = 8
FETCH_TIMEOUT_S = 60
ATTEMPTS = 3


class Jar(msgspec.Struct, frozen=True):
    group: str
    artifact: str
    version: str
    sha256: str  # hex

    @property
    def file_name(self) -> str:
        """The hash in the name: a jar of another lock never hides this one."""
        return f"{self.artifact}-{self.version}-{self.sha256[:12]}.jar"


class WrongJar(ValueError):
    """What was fetched is not what the lock names."""


def locked_jars() -> list[Jar]:
    return [_parse(line) for line in LOCK.read_text().splitlines() if not line.startswith("#")]


def _parse(line: str) -> Jar:
    coordinate, sha256 = line.split()
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256)


def kafka_classpath() -> str:
    """Every jar, present and right; those that are missing are fetched. Raises `WrongJar`, or what the network raises."""
    folder = cache_folder() / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS) as threads:
        paths = threads.map(lambda jar: _present(jar, folder), locked_jars())
        return ":".join(str(path) for path in paths)


def _present(jar: Jar, folder: Path) -> Path:
    path = folder / jar.file_name
    if not path.exists() or sha256_of(path) != jar.sha256:
        _fetch(jar, path)
    return path


def _fetch(jar: Jar, path: Path) -> None:
    """Into a folder of its own, so that what is cut off half-way is never seen under the jar's name."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        fetched = _download(jar, Path(scratch))
        if (found := sha256_of(fetched)) != jar.sha256:
            raise WrongJar(f"{jar.group}:{jar.artifact}:{jar.version} has SHA-256 {found}, but {LOCK.name} says {jar.sha256}")
        fetched.replace(path)


def _download(jar: Jar, folder: Path) -> Path:
    from jgo.maven import MavenContext  # here, since an image for servers that exist comes without it

    for attempt in range(1, ATTEMPTS + 1):
        context = MavenContext(repo_cache=folder / str(attempt), timeout=FETCH_TIMEOUT_S)
        try:
            return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:  # the connection broke; the server was busy, which jgo reports as RuntimeError
            if attempt == ATTEMPTS:
                raise
            print(f"{jar.artifact}: {error}; trying again", file=sys.stderr)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    print(f"{len(kafka_classpath().split(':'))} jars of Apache Kafka are in {cache_folder() / 'kafka'}")
