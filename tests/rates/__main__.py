"""`python -m tests.rates`: how exactly several replicas keep one rate together, on a virtual clock.

Each line is a load; the figures are the least and the most that were let in within any minute (begun every ten seconds)
beside what one bucket would have let in, and how much more than one bucket ever lets in, in per cent of the limit. Exit
code 1 when one is beyond 5 %, or beyond one call for each replica where that is more.
"""

from __future__ import annotations

import sys

from tests.rates.cluster import loads, run

TOLERANCE = 5.0


def main() -> int:
    """Print the table; 0 when everything is within the tolerance."""
    beyond = 0
    for replicas in (2, 8):
        for limit, is_tokens in ((120, False), (600, False), (6000, False), (2_000_000, True)):
            print(f"{replicas} replicas, {limit:,} {'tokens' if is_tokens else 'requests'} a minute")
            for load in loads(replicas, limit):
                outcome = run(load, replicas=replicas, limit=limit, is_tokens=is_tokens)
                least, most = outcome.worst
                tolerance = max(TOLERANCE, 0 if is_tokens else 100 * replicas / limit)
                is_beyond = max(-least, most, outcome.beyond) > tolerance
                beyond += is_beyond
                print(
                    f"  {load.name:44} {least:+7.2f} % {most:+7.2f} % {max(outcome.beyond, 0):7.2f} %"
                    f" {'beyond' if is_beyond else ''}",
                    flush=True,
                )
    print(f"{beyond} beyond the tolerance" if beyond else "All within the tolerance.")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
