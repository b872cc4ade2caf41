"""`python -m tollkeeper_simulator`: the simulator alone, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from tollkeeper_simulator.server import Simulator
from tollkeeper_simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence


def settings_from(arguments: Sequence[str]) -> tuple[Settings, bool]:
    """Read the command line; the second value says that the greeting shall be JSON. Exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="tollkeeper simulate", description="A simulated AI provider with a bill.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9090, help="0 lets the system choose (default: 9090)")
    parser.add_argument("--tokens-per-second", type=int, help="pace of each answer (default: as fast as possible)")
    parser.add_argument("--bill-file", type=Path, help="append each finished bill record here as a JSON line")
    parser.add_argument(
        "--grok-percent", type=int, default=100, help="what xAI bills of its list prices (default: 100)"
    )
    parser.add_argument("--json", action="store_true", help="print the address as JSON")
    given = parser.parse_args(arguments)
    try:
        settings = Settings(
            host=given.host,
            port=given.port,
            tokens_per_second=given.tokens_per_second,
            bill_file=given.bill_file,
            grok_percent=given.grok_percent,
        )
    except ValueError as wrong:
        parser.error(str(wrong))
    return settings, given.json


async def serve(settings: Settings, *, as_json: bool) -> None:
    """Greet, and serve until told to stop. OSError when the port or the bill file cannot be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(settings) as simulator:
        sys.stdout.write(greeting(simulator, as_json=as_json) + "\n")
        sys.stdout.flush()
        await stop.wait()


def greeting(simulator: Simulator, *, as_json: bool) -> str:
    """Return the one line that says where the simulator is and how to use it."""
    if as_json:
        where = {
            "base_url": simulator.base_url,
            "bill_url": f"{simulator.origin}/_bill",
            "api_key": "sk-sim-anything",
            "origin": simulator.origin,
        }
        return msgspec.json.encode(where).decode()
    return (
        f"Simulated provider: base URL {simulator.base_url}, api key sk-sim-anything, "
        f"bill {simulator.origin}/_bill, faults {simulator.origin}/_faults"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it was told to stop, 1 when it could not start."""
    settings, as_json = settings_from(sys.argv[1:] if arguments is None else arguments)
    try:
        uvloop.run(serve(settings, as_json=as_json))
    except OSError as failed:
        sys.stderr.write(f"tollkeeper simulate: {failed}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
