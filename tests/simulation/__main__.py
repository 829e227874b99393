"""`make simulate SEEDS=200 [SEED=n]`: runs seeds, and shows of those that fail what is wrong, and how to run them again."""

import argparse
import os
import sys
from collections import Counter
from time import monotonic

from tests.simulation.chance import Fault
from tests.simulation.workers import Task, Workers


def main() -> None:
    parser = argparse.ArgumentParser(prog="simulation")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--broken", help="with a kernel that is broken so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds) if chosen.seed is None else [chosen.seed]
    started, ran, failed, answered, events = monotonic(), 0, 0, 0, 0
    met: Counter[str] = Counter()
    with Workers(min(chosen.jobs, len(seeds))) as workers:
        for report in workers.run(Task(seed, chosen.broken) for seed in seeds):
            ran += 1
            answered += report.answered
            events += report.events
            met.update(report.met)
            if report.faults:
                failed += 1
                print(report.told(), flush=True)
    took = monotonic() - started
    print(", ".join(f"{fault} {met[fault]}" for fault in Fault))
    speed = f"{ran / took * 60:.0f} a minute"
    print(f"{ran} seeds in {took:.1f} s ({speed}): {answered} commands answered, {events} events, {failed} seeds failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
