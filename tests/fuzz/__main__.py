"""`python -m tests.fuzz`: twice a hundred thousand requests at a real gateway, hostile ones and strangers'; prints its figures.

Exit code 1 when the gateway dies, errs with its own fault, leaks a trace or memory, records a call that was not made, or
lets somebody in who has no good credential.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.hostile import HostileMaker
from tests.fuzz.run import Maker, run_fuzz
from tests.fuzz.strangers import StrangerMaker

REQUESTS = 100_000
SHOWN_MAX = 40
MAKERS: dict[str, Callable[[int, str], Maker]] = {"hostile": HostileMaker, "strangers": StrangerMaker}


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same gives the same requests")
    parser.add_argument("--only", choices=sorted(MAKERS))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    problems: list[str] = []
    for name, maker_of in MAKERS.items():
        if given.only in {None, name}:
            print(f"{name}:", flush=True)
            problems += _run(maker_of, given.requests, given.seed)
    for problem in problems[:SHOWN_MAX]:
        print(f"  PROBLEM: {problem}")
    return 1 if problems else 0


def _run(maker_of: Callable[[int, str], Maker], requests: int, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="tollkeeper-fuzz-") as name:
        folder = Path(name)
        report = run_fuzz(
            folder,
            f"sqlite:///{folder / 'tollkeeper.db'}",
            requests=requests,
            seed=seed,
            progress=lambda text: print(f"  {text}", flush=True),
            maker_of=maker_of,
        )
    print(report.table())
    return report.problems


if __name__ == "__main__":
    sys.exit(main())
