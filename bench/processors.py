"""What each program of a deployment takes of the processors, with its children."""

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
