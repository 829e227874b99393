"""What a deployment and a backup of it have on the disk is their owner's alone, file by file: modes go with a file that is copied away."""

import asyncio
import stat
import sys
from pathlib import Path

from reserve.operate.migrate import ROOT
from tests.e2e.world import World


def open_to_others(folder: Path) -> list[tuple[str, str]]:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    return [(str(path.relative_to(folder)), f"{mode:04o}") for path, mode in modes.items() if mode & 0o077]


async def backed_up(world: World, into: Path, *options: str) -> None:
    """By somebody whose own files are open to others, as is usual."""
    command = (sys.executable, "-m", "reserve", "backup", str(into), "--data", str(world.running.folder), *options)
    assert await (await asyncio.create_subprocess_exec(*command, cwd=ROOT, umask=0o022)).wait() == 0


async def test_every_file_of_a_backup_is_its_owners_alone(world: World, tmp_path: Path) -> None:
    await backed_up(world, tmp_path / "all")
    await backed_up(world, tmp_path / "one", "--service", "inventory")
    assert (tmp_path / "one" / "inventory.sql").exists()
    assert open_to_others(tmp_path / "all") == open_to_others(tmp_path / "one") == []


def test_every_file_of_a_deployment_is_its_owners_alone(world: World) -> None:
    """Tiles, logs and what Kafka holds are among them."""
    assert (world.running.folder / "kafka" / "log").is_dir()
    theirs = "keys/witnesses.policy"  # public, and put there by the operator: here by the test
    assert [each for each in open_to_others(world.running.folder) if each[0] != theirs] == []
