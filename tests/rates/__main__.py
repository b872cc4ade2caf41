"""`python -m tests.rates`: how exactly several replicas keep one rate together, on a virtual clock.

Each line is a load; the figures are the least and the most that were let in within any minute (begun every ten seconds)
beside what one bucket would have let in, in per cent of the limit. Exit code 1 when one is beyond 5 %.
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
                least, most = run(load, replicas=replicas, limit=limit, is_tokens=is_tokens).worst
                is_beyond = max(-least, most) > TOLERANCE
                beyond += is_beyond
                print(f"  {load.name:44} {least:+7.2f} % {most:+7.2f} % {'beyond' if is_beyond else ''}")
    print(f"{beyond} beyond {TOLERANCE} %" if beyond else f"All within {TOLERANCE} %.")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
