"""What each program takes of the processors and of memory, with its children."""

import psutil

from reserve.operate.deployment import Deployment


def cpu_s(deployment: Deployment) -> dict[str, float]:
    """Processor time that each program and its children have taken."""
    return {name: sum(_own_cpu_s(process) for process in family(pid)) for name, pid in deployment.supervisor.pids.items()}


def family(pid: int) -> list[psutil.Process]:
    program = psutil.Process(pid)
    return [program, *program.children(recursive=True)]


def _own_cpu_s(process: psutil.Process) -> float:
    """With that of its children that have ended."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return 0.0


def memory_bytes(process: psutil.Process) -> int:
    """The proportional set size, where the system knows it: pages shared by n processes count as 1/n in each."""
    try:
        full = process.memory_full_info()
    except psutil.NoSuchProcess:  # one of PostgreSQL's, gone since it was listed
        return 0
    return int(getattr(full, "pss", full.rss))
