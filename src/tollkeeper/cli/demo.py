"""`tollkeeper demo` (`make run`): a gateway with real traffic through it in one command, which then keeps serving."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tollkeeper import config
from tollkeeper.cli.demo_calls import make_calls, show_refusal
from tollkeeper.cli.demo_setup import browser_link, budget_line, prepare, read_budget
from tollkeeper.domain.errors import ConfigurationError, TollkeeperError

_START_S = 30.0


def demo(
    port: Annotated[int, typer.Option("--port", help="Where the gateway listens.")] = 8080,
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo keeps its database.")] = Path(".demo"),
    once: Annotated[bool, typer.Option("--once", help="Stop after the calls instead of serving on.")] = False,
) -> None:
    """Start the gateway, send real traffic through it, print what each call cost, and keep serving until Ctrl-C.

    With OPENAI_API_KEY, DEEPSEEK_API_KEY or XAI_API_KEY set, the calls go to the real provider and cost real money (less
    than a cent); without, to the bundled provider simulator.
    """
    console = Console(highlight=False, soft_wrap=True)
    _check_port(port)
    folder.mkdir(parents=True, exist_ok=True)
    real = next((kind for kind, _, _, variable in config.USUAL_PROVIDERS if os.environ.get(variable)), None)
    children: list[subprocess.Popen[bytes]] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    _keep_to_itself()
    try:
        simulator_port = None
        if real is None:
            simulator_port = _free_port()
            simulator = [sys.executable, "-m", "tollkeeper_simulator", "--port", str(simulator_port)]
            children.append(_start(simulator, folder / "simulator.log"))
            _wait_for(f"http://127.0.0.1:{simulator_port}/_bill/summary", children[-1], folder / "simulator.log")
            console.print("No provider key is set, so this talks to the bundled provider simulator; no money is spent.")
        else:
            console.print(f"Talking to the real provider '{real}'; the calls below cost real money (less than a cent).")
        settings = _write_settings(folder, port, simulator_port)
        key = asyncio.run(prepare(settings))
        serve = [sys.executable, "-m", "tollkeeper", "serve", "--config", str(settings)]
        children.append(_start(serve, folder / "gateway.log", SIMULATOR_API_KEY="sk-sim-demo-000001"))
        _wait_for(f"http://127.0.0.1:{port}/readyz", children[-1], folder / "gateway.log")
        base_url = f"http://127.0.0.1:{port}/v1"
        used_before = asyncio.run(read_budget(settings)).standing.used
        made = make_calls(console, base_url, key, provider=real or "openai")
        budget = asyncio.run(read_budget(settings, used=used_before + made.cost_nanos))
        console.print("\n" + budget_line(budget))
        show_refusal(console, base_url, key, model=made.model)
        _print_how_to(console, port=port, key=key, model=made.model, settings=settings)
        if not once:
            console.print("\nServing. Ctrl-C stops it.")
            sys.exit(children[-1].wait())
    except KeyboardInterrupt:
        console.print("\nStopping: calls in flight finish, everything is written down.")
    finally:
        for child in reversed(children):
            _stop(child)


def _write_settings(folder: Path, port: int, simulator_port: int | None) -> Path:
    lines = [
        "# Written by `tollkeeper demo` at every start.",
        "[server]",
        f"port = {port}",
        "[database]",
        f'url = "sqlite:///{(folder / "tollkeeper.db").absolute()}"',
        "[journal]",
        f'directory = "{(folder / "journal").absolute()}"',
        "[keys]",
        f'pepper_file = "{(folder / "tollkeeper.pepper").absolute()}"',
    ]
    if simulator_port is not None:
        lines += [
            "[[providers]]",
            'name = "openai"',
            'kind = "openai"',
            f'base_url = "http://127.0.0.1:{simulator_port}/v1"',
            'api_key_env = "SIMULATOR_API_KEY"',
        ]
    path = folder / "tollkeeper.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _print_how_to(console: Console, *, port: int, key: str, model: str, settings: Path) -> None:
    console.print(f"\nYour key (valid until the next demo):\n  {key}")
    console.print("\nTry it yourself:")
    console.print(
        f"  curl http://127.0.0.1:{port}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' "
        f'-d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
    )
    console.print(f"\nWhat it cost:  {sys.executable} -m tollkeeper costs --by model --config {settings}")
    console.print(f"What is left:  {sys.executable} -m tollkeeper budgets status --config {settings}")
    console.print(f"In a browser:  {asyncio.run(browser_link(settings))}")


def _keep_to_itself() -> None:
    """Leave settings meant for a real gateway alone, and reach this machine without a proxy."""
    for name in [name for name in os.environ if name.startswith(config.ENVIRONMENT_PREFIX)]:
        del os.environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(
                f"Port {port} is taken by another program; stop it, or choose another: .venv/bin/tollkeeper demo --port 8081"
            ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(command: list[str], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches it only through us, in order."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **variables}, start_new_session=True
        )


def _wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it wrote nothing"]
    raise TollkeeperError(
        f"{' '.join(child.args[2:4]) if isinstance(child.args, list) else 'It'} did not start: {tail[0]}"
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(40)
    except subprocess.TimeoutExpired:
        child.kill()


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
