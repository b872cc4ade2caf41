"""Runs schemathesis, every check on, over the whole document of an application that is served on a port of this machine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from tests.security.matrix import secured_app
from tests.security.realms import Realm, open_realm

from tollkeeper.gateway.server_protocol import Bounds, ServerProtocol
from tollkeeper.store.engine import Store

SEED = 1
HEAD_BYTES_MAX = 65_536
REQUEST_S = 30.0
ENDS_THE_SESSION = r"^/v1/auth/logout$"
"""Asked as a person it would end the session that asks; the other tests ask it."""
_GENERATED = re.compile(r"(\d[\d,]*) generated")


@dataclass
class SchemaReport:
    """What schemathesis found; `problems` is empty when all is well."""

    cases: int = 0
    problems: list[str] = field(default_factory=list)
    text: str = ""


async def run_schemathesis(
    store: Store, *, who: str, options: tuple[str, ...], folder: Path, requests_max_s: float
) -> SchemaReport:
    """Let schemathesis ask with the credential of `admin` or `org_admin` of a realm."""
    realm = await open_realm(store, "Aardvark")
    async with secured_app(store) as app, _serving(app) as origin:
        return await _ask(origin, realm, who=who, options=options, folder=folder, timeout_s=requests_max_s)


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve by the product's own protocol: what is no HTTP is answered by it, not by the application."""
    ServerProtocol.bounds = Bounds(HEAD_BYTES_MAX, REQUEST_S, REQUEST_S)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", http=ServerProtocol))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def _ask(
    origin: str, realm: Realm, *, who: str, options: tuple[str, ...], folder: Path, timeout_s: float
) -> SchemaReport:
    program = shutil.which("st", path=str(Path(sys.executable).parent))
    assert program is not None, "schemathesis is not installed"
    root = Path(__file__).resolve().parents[2]
    if who == "org_admin":  # the other run makes ids up
        known = "\n".join(f'"path.{name}" = "{value}"' for name, value in realm.ids.items())
        (folder / "schemathesis.toml").write_text(f"[parameters]\n{known}\n")
    command = [
        program, "run", f"{origin}/openapi.json", "--checks", "all", "--exclude-checks", "positive_data_acceptance,use_after_free,ensure_resource_availability",
        "--header", f"Authorization: {realm.credentials[who]['authorization']}",
        "--header", f"OpenAI-Organization: {realm.id}",
        "--seed", str(SEED), "--continue-on-failure", "--exclude-path-regex", ENDS_THE_SESSION, "--generation-database", "none", *options,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.security.schema_checks",
        "PYTHONPATH": str(root),
        "NO_COLOR": "1",
    }
    child = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), timeout_s)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    text = output.decode()
    counted = _GENERATED.search(text)
    report = SchemaReport(int(counted[1].replace(",", "")) if counted else 0, text=text)
    if child.returncode != 0:
        report.problems.append(text[text.find("FAILURES") :][:6000])
    return report
