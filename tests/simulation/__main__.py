"""`python -m tests.simulation`: as many seeds of the simulation as you like; prints its figures.

`--seeds N` runs N of them from `--first`, `--seed N` tells the story of one, `--mutants` looks for the first seed that
notices each planted bug. Exit code 1 when a seed fails, or a bug goes unnoticed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation.mutants import MUTANTS
from tests.simulation.world import World, run_seed

PROGRESS_S = 10.0


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, help="replay this one alone and tell what happened")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--only", help="one planted bug instead of all")
    given = parser.parse_args()
    if given.mutants or given.only:
        return hunt([given.only] if given.only else list(MUTANTS), range(given.first, given.first + given.seeds))
    if given.seed is not None:
        return tell(given.seed)
    return run(range(given.first, given.first + given.seeds), jobs=given.jobs)


def run(seeds: range, *, jobs: int) -> int:
    """Run seeds in several processes; the figures are sums over all of them."""
    started_s = told_s = time.monotonic()
    figures: Counter[str] = Counter()
    failed: list[int] = []
    with ProcessPoolExecutor(jobs) as pool:
        for done, (seed, found) in enumerate(pool.map(_attempt, seeds, chunksize=4), 1):
            if isinstance(found, str):
                failed.append(seed)
                print(f"seed {seed}: {found}\n  replay it: python -m tests.simulation --seed {seed}", flush=True)
            else:
                figures += found
            if time.monotonic() - told_s > PROGRESS_S:
                told_s = time.monotonic()
                print(f"{done:,} of {len(seeds):,} seeds, {len(failed)} failed", flush=True)
    for name, number in sorted(figures.items()):
        print(f"{number:>12,}  {name}")
    print(f"{len(seeds):,} seeds in {time.monotonic() - started_s:.0f} s, {len(failed)} failed: {failed[:20]}")
    return 1 if failed else 0


def tell(seed: int) -> int:
    """Replay one seed and print its story."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-simulation-") as folder:
        world = World(seed, Path(folder))
        try:
            world.run()
        except Exception:
            print("\n".join(world.story))
            traceback.print_exc()
            print(f"at {world.scheduler.now_us}, {world.terms}")
            return 1
        print("\n".join(world.story))
        return 0


def hunt(names: list[str], seeds: range) -> int:
    """Print the first seed that notices each planted bug."""
    unnoticed = 0
    for name in names:
        for seed in seeds:
            with MUTANTS[name]():
                found = _attempt(seed)[1]
            if isinstance(found, str):
                print(f'    "{name}": {seed},  # {found[:80]}', flush=True)
                break
        else:
            unnoticed += 1
            print(f"UNNOTICED in {len(seeds)} seeds: {name}", flush=True)
    return 1 if unnoticed else 0


def _attempt(seed: int) -> tuple[int, Counter[str] | str]:
    try:
        return seed, run_seed(seed)
    except Exception as error:
        return seed, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
