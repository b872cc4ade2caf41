"""`python -m tests.forecast`: how often a forecast's range holds the outcome, by kind of series and days known.

Exit code 1 when a range holds less than 80 in 100 outcomes of a kind with eight weeks known.
"""

from __future__ import annotations

import argparse
import sys

from tests.forecast.series import HISTORY, KINDS, backtest

PERMILLE_MIN = 800


def main() -> int:
    """Print the table; 0 when every kind with eight weeks known is held often enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.forecast", description=__doc__)
    parser.add_argument("--series", type=int, default=500)
    given = parser.parse_args()
    print(f"{'series':14} {'days known':>10} {'forecasts':>10} {'held':>8} {'width':>8} {'error':>8}")
    is_good = True
    for known in (HISTORY, 28, 14):
        for name, make in KINDS.items():
            if known < HISTORY and name == "new_level":
                continue  # most of them come later: nobody can know
            found = backtest(make, series=given.series, known_days=known)
            is_good &= known < HISTORY or found.permille >= PERMILLE_MIN
            held = f"{found.permille // 10}.{found.permille % 10} %"
            print(
                f"{name:14} {known:10} {found.forecasts:10,} {held:>8} {found.width_per_cent:6} % {found.error_per_cent:6} %",
                flush=True,
            )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
