"""The contenders: how each is started on its documented production settings, and how it is called."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import tollkeeper_setup
from bench.install import LITELLM_VERSION, PORTKEY_VERSION, Tools, version_of
from bench.nginx import proxy_configuration
from bench.processes import StartFailure, free_port, hermetic
from bench.targets import MODEL, Target, request_body
from bench.upstream import JSON_HEADERS, Upstream

PROVIDER_KEY = "sk-bench-provider"
LITELLM_MASTER_KEY = "sk-bench-7e1f0c52a94b4d3f8b6c0d9a1e2f3a4b"


@dataclass(frozen=True)
class System:
    """A contender ready to be started. `notes` say what the reader of its figures must know."""

    name: str
    version: str
    command: list[str]
    call: Target
    stream: Target
    folder: Path | None = None
    ready_s: float = 20
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Site:
    """What a contender is built from: the tools, the upstream, and a folder of its own to write into."""

    tools: Tools
    upstream: Upstream
    folder: Path


def nginx_proxy(site: Site) -> System:
    """The yardstick: nginx as a bare reverse proxy."""
    port = free_port()
    configuration = site.folder / "nginx.conf"
    configuration.write_text(
        proxy_configuration(
            site.folder, port=port, calls_port=site.upstream.calls_port, streams_port=site.upstream.streams_port
        )
    )
    return System(
        name="nginx",
        version=version_of(site.tools, "nginx"),
        command=site.tools.nginx_command(configuration),
        call=_target(f"http://127.0.0.1:{port}/v1"),
        stream=_target(f"http://127.0.0.1:{port}/streams/v1", stream=True),
        notes=("bare reverse proxy, one worker, upstream keep-alive 256; no governance at all",),
    )


def portkey(site: Site) -> System:
    """Portkey's open-source gateway, without any database or plugin.

    Source: x-portkey-provider, x-portkey-custom-host and TRUSTED_CUSTOM_HOSTS as in
    https://portkey.ai/docs/product/ai-gateway/custom-hosts (read 2026-11-22).
    """
    node = shutil.which("node")
    if site.tools.portkey is None or node is None:
        raise StartFailure("Portkey is not installed")
    port = free_port()
    command = [node, str(site.tools.portkey), "--headless", f"--port={port}"]
    variables = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}

    def headers(host: str) -> dict[str, str]:
        return {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": host,
            "authorization": f"Bearer {PROVIDER_KEY}",
        }

    base_url = f"http://127.0.0.1:{port}/v1"
    return System(
        name="portkey",
        version=PORTKEY_VERSION,
        command=hermetic(command, variables),
        call=_target(base_url, headers=headers(site.upstream.calls_url)),
        stream=_target(base_url, headers=headers(site.upstream.streams_url), stream=True),
        notes=("one process, no database; keys, budgets and limits are not part of it",),
    )


def litellm(site: Site) -> System:
    """LiteLLM's proxy with one worker, a master key and no database.

    Source: https://docs.litellm.ai/docs/proxy/prod (LITELLM_MODE, LITELLM_LOG, master key; read 2026-11-22).
    """
    if site.tools.litellm is None:
        raise StartFailure("LiteLLM is not installed")
    port = free_port()
    configuration = site.folder / "config.yaml"
    configuration.write_text(_litellm_configuration(site.upstream))
    command = [str(site.tools.litellm), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
    variables = {
        "HOME": str(site.folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MASTER_KEY": LITELLM_MASTER_KEY,
        "LITELLM_MODE": "PRODUCTION",
    }
    base_url = f"http://127.0.0.1:{port}/v1"
    headers = {"authorization": f"Bearer {LITELLM_MASTER_KEY}"}
    return System(
        name="litellm",
        version=LITELLM_VERSION,
        command=hermetic([*command, "--num_workers", "1", "--telemetry", "False"], variables),
        call=_target(base_url, headers=headers),
        stream=_target(base_url, headers=headers, model="streams", stream=True),
        ready_s=120,
        notes=("proxy with one worker and a master key; no database, so no keys, budgets or limits",),
    )


def tollkeeper(site: Site) -> System:
    """Tollkeeper as its users start it, everything on."""
    made = tollkeeper_setup.prepare(
        site.folder, port=free_port(), upstream=site.upstream, provider_key=PROVIDER_KEY, keys=tollkeeper_setup.KEYS
    )
    headers = {"authorization": f"Bearer {made.project_key}"}
    return System(
        name="tollkeeper",
        version=made.version,
        command=made.command,
        call=_target(made.base_url, headers=headers),
        stream=_target(made.base_url, headers=headers, model=f"streams/{MODEL}", stream=True),
        folder=site.folder,
        ready_s=30,
        notes=made.notes,
    )


SYSTEMS: dict[str, Callable[[Site], System]] = {
    "nginx": nginx_proxy,
    "tollkeeper": tollkeeper,
    "portkey": portkey,
    "litellm": litellm,
}


def custom(specification: str) -> tuple[str, Callable[[Site], System]]:
    """Build a contender from `NAME=COMMAND|URL` or `NAME=COMMAND|URL|KEY`.

    In COMMAND and URL, {port} is a free port, {calls} and {streams} are the upstream's base URLs and {python} is this
    interpreter. COMMAND runs in a folder of its own, so paths in it are absolute. URL is the whole address that takes
    chat completions; KEY goes into the Authorization header.

    Raises:
        ValueError: the specification has another form.
    """
    name, separator, rest = specification.partition("=")
    parts = rest.split("|")
    if not (name and separator and len(parts) in {2, 3}):
        raise ValueError(f"{specification!r} is not NAME=COMMAND|URL or NAME=COMMAND|URL|KEY")

    def build(site: Site) -> System:
        values = {
            "port": str(free_port()),
            "calls": site.upstream.calls_url,
            "streams": site.upstream.streams_url,
            "python": sys.executable,
        }
        command, url = (part.format(**values) for part in parts[:2])
        headers = {**JSON_HEADERS, "authorization": f"Bearer {parts[2] if len(parts) == 3 else PROVIDER_KEY}"}
        return System(
            name=name,
            version="",
            command=shlex.split(command),
            folder=site.folder,
            call=Target(url, headers, request_body(MODEL, stream=False)),
            stream=Target(url, headers, request_body(MODEL, stream=True)),
            notes=(f"given on the command line: {command}",),
        )

    return name, build


def _target(
    base_url: str, *, headers: dict[str, str] | None = None, model: str = MODEL, stream: bool = False
) -> Target:
    body = request_body(model, stream=stream)
    return Target(f"{base_url}/chat/completions", {**JSON_HEADERS, **(headers or {})}, body)


def _litellm_configuration(upstream: Upstream) -> str:
    """Name the upstream's two ports as two models, because LiteLLM chooses the upstream by the model."""
    models = "".join(
        f"""  - model_name: {name}
    litellm_params:
      model: openai/{MODEL}
      api_base: {url}
      api_key: {PROVIDER_KEY}
"""
        for name, url in ((MODEL, upstream.calls_url), ("streams", upstream.streams_url))
    )
    return f"model_list:\n{models}litellm_settings:\n  request_timeout: 600\n"
