"""A log that cannot be written costs its lines, and nothing else."""

import io
from pathlib import Path

from shared.observe.logs import lines_to


def test_a_log_on_a_full_disk_does_not_fail_its_writer() -> None:
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full:  # as PYTHONUNBUFFERED has it
        lines_to(full)().info("what happened")


def test_a_log_is_written_a_line_an_event(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        write = lines_to(file)()
        write.info("what happened")
        write.info("what happened next")
        assert (tmp_path / "log").read_text() == "what happened\nwhat happened next\n"
