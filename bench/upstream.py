"""Starting the upstream: nginx for calls, the stream server for streams; and counting what the former served."""

from __future__ import annotations

import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench.install import Tools
from bench.nginx import STATUS_PATH, upstream_configuration
from bench.processes import ROOT, Fleet
from bench.targets import MODEL, Target, check_call, check_stream, request_body

JSON_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True)
class Upstream:
    """The ports on 127.0.0.1 that stand in for the provider."""

    calls_port: int
    streams_port: int
    gap_ms: int = 0  # between the events of a stream
    slow_port: int = 0  # of slow streams; 0 when there are none

    @property
    def calls_url(self) -> str:
        return f"http://127.0.0.1:{self.calls_port}/v1"

    @property
    def streams_url(self) -> str:
        return f"http://127.0.0.1:{self.streams_port}/v1"

    @property
    def slow_url(self) -> str:
        return f"http://127.0.0.1:{self.slow_port}/v1"

    def direct(self) -> Target:
        """Return the call without any gateway, which latency is compared with."""
        return Target(f"{self.calls_url}/chat/completions", JSON_HEADERS, request_body(MODEL, stream=False))

    def served(self) -> int:
        """Return how many requests nginx has seen so far, this question included.

        Between two questions the count grows by the calls served and by one. Source: nginx's stub_status module
        prints accepted, handled and requests on its third line.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.calls_port}{STATUS_PATH}", timeout=5) as answer:
            return parse_served(answer.read().decode())


def parse_served(text: str) -> int:
    """Read the number of requests from what stub_status prints."""
    return int(text.splitlines()[2].split()[2])


SERVERS = ("upstream", "stream_server", "slow_server")


def start_upstream(fleet: Fleet, tools: Tools, upstream: Upstream, *, folder: Path, core: int) -> None:
    """Start the servers on one core and wait until each answers as it should."""
    place = folder / "upstream"
    place.mkdir(parents=True, exist_ok=True)
    configuration = place / "nginx.conf"
    configuration.write_text(upstream_configuration(place, port=upstream.calls_port))
    fleet.start("upstream", tools.nginx_command(configuration), core=core)
    serve_streams = [sys.executable, "-m", "bench.stream_server", str(upstream.streams_port), str(upstream.gap_ms)]
    fleet.start("stream_server", serve_streams, core=core, folder=ROOT)
    serve_slowly = [sys.executable, "-m", "bench.slow_server", str(upstream.slow_port)]
    fleet.start("slow_server", serve_slowly, core=core, folder=ROOT)
    fleet.wait_until("upstream", lambda: check_call(upstream.direct()) is None, timeout_s=10)
    streams = Target(f"{upstream.streams_url}/chat/completions", JSON_HEADERS, request_body(MODEL, stream=True))
    fleet.wait_until("stream_server", lambda: check_stream(streams) is None, timeout_s=10)
