"""Putting the peers and the load into `.bench/`, nothing system-wide: nginx and wrk, LiteLLM, Portkey.

What is there already in the wanted version is left as it is, so a second run costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import hermetic

LITELLM_VERSION = "1.109.1"
LITELLM_LOCK = Path(__file__).with_name("litellm.lock")
PORTKEY_VERSION = "1.15.2"
PORTKEY_SERVER_VERSION = "1.13.8"
"""The HTTP server library under Portkey: with a later one its streams answer 500 "immutable" (tried: 1.14.2, 1.19.19).
Source: https://github.com/Portkey-AI/gateway/issues/1389 (read 2026-11-22)."""

LIBRARY_PACKAGES = {
    "libluajit-5.1.so.2": "libluajit-5.1-2",
    "libpcre2-8.so.0": "libpcre2-8-0",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "libcrypt.so.1": "libcrypt1",
    "libz.so.1": "zlib1g",
}
"""Which Debian package holds a library that nginx or wrk needs (Debian 12)."""


class InstallFailure(Exception):
    """Something could not be installed; the message says what and what would help."""


@dataclass(frozen=True)
class Tools:
    """The programs to run; `library_path` is for LD_LIBRARY_PATH. A peer that was not asked for is None."""

    nginx: str
    wrk: str
    library_path: str
    portkey: Path | None = None
    litellm: Path | None = None

    def nginx_command(self, configuration: Path) -> list[str]:
        """Return how to run nginx in the foreground with this configuration."""
        command = [self.nginx, "-p", str(configuration.parent), "-e", "stderr", "-c", str(configuration)]
        return hermetic(command, {"LD_LIBRARY_PATH": self.library_path})


def install(place: Path, *, peers: Sequence[str]) -> Tools:
    """Install nginx and wrk, and those of `peers` that need installing, into the folder `place`.

    Raises:
        InstallFailure: nginx or wrk cannot be had. A peer that cannot be had is told on stderr and left out.
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / ".gitignore").write_text("*\n")
    nginx, wrk, library_path = _install_native(place)
    portkey = litellm = None
    if "portkey" in peers:
        portkey = _or_none(lambda: _install_portkey(place / "portkey"))
    if "litellm" in peers:
        litellm = _or_none(lambda: _install_litellm(place / "litellm"))
    return Tools(nginx, wrk, library_path, portkey, litellm)


def version_of(tools: Tools, name: str) -> str:
    """Return the installed version of nginx or wrk, as the program itself says it."""
    program, flag = (tools.nginx, "-v") if name == "nginx" else (tools.wrk, "-v")
    done = subprocess.run(
        hermetic([program, flag], {"LD_LIBRARY_PATH": tools.library_path}), capture_output=True, text=True, check=False
    )
    first = (done.stdout + done.stderr).splitlines()[0]
    return first.split("/")[-1] if name == "nginx" else first.split()[1]


def _or_none(step: Callable[[], Path]) -> Path | None:
    try:
        return step()
    except InstallFailure as failure:
        _say(str(failure))
        return None


def _install_native(place: Path) -> tuple[str, str, str]:
    """Return nginx, wrk and the library path: from Debian's packages unpacked here, else what PATH has."""
    native = place / "native"
    programs = [native / "usr/sbin/nginx", native / "usr/bin/wrk"]
    if not all(program.exists() for program in programs) and shutil.which("apt-get") and shutil.which("dpkg"):
        _say("fetching nginx and wrk (Debian packages, unpacked, not installed)")
        _unpack(place, ["nginx", "wrk"])
    if all(program.exists() for program in programs):
        missing = {LIBRARY_PACKAGES[name] for name in _missing_libraries(native, programs) if name in LIBRARY_PACKAGES}
        if missing:
            _unpack(place, sorted(missing))
        still = _missing_libraries(native, programs)
        if not still:
            return str(programs[0]), str(programs[1]), _library_path(native)
        _say(f"the unpacked programs lack {', '.join(still)}")
    nginx, wrk = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/bin:/usr/local/bin"), shutil.which("wrk")
    if not (nginx and wrk):
        raise InstallFailure(
            "the benchmark needs nginx and wrk: install both (Debian: apt-get install nginx-light wrk)"
        )
    return nginx, wrk, ""


def _unpack(place: Path, packages: Sequence[str]) -> None:
    """Download Debian packages and unpack them; package lists are fetched into `place` when the system has none."""
    downloads, state = place / "debs", place / "apt"
    downloads.mkdir(exist_ok=True)
    for folder in (state / "state/lists/partial", state / "cache/archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    own_lists = ["-o", f"Dir::State={state}/state", "-o", "Dir::State::status=/var/lib/dpkg/status"]
    own_lists += ["-o", f"Dir::Cache={state}/cache", "-o", "APT::Sandbox::User=root"]
    fetched = _run(["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages], folder=downloads)
    if fetched:
        _run(["apt-get", *own_lists, "update"], folder=downloads)
        fetched = _run(["apt-get", *own_lists, "download", *packages], folder=downloads)
    if fetched:
        _say(f"could not fetch {', '.join(packages)}: {fetched}")
    for package in packages:
        for archive in downloads.glob(f"{package}_*.deb"):
            _run(["dpkg", "-x", str(archive), str(place / "native")])


def _library_path(native: Path) -> str:
    folders = [*native.glob("usr/lib/*-linux-*"), *native.glob("lib/*-linux-*")]
    return ":".join(str(folder) for folder in folders)


def _missing_libraries(native: Path, programs: Sequence[Path]) -> list[str]:
    command = hermetic(["ldd", *map(str, programs)], {"LD_LIBRARY_PATH": _library_path(native)})
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return sorted({line.split()[0] for line in lines if line.endswith("not found")})


def _install_portkey(place: Path) -> Path:
    """Return Portkey's start script."""
    modules = place / "node_modules"
    wanted = {"@portkey-ai/gateway": PORTKEY_VERSION, "@hono/node-server": PORTKEY_SERVER_VERSION}
    if any(_npm_version(modules / name) != version for name, version in wanted.items()):
        npm = shutil.which("npm")
        if npm is None:
            raise InstallFailure("Portkey is left out: it needs Node.js with npm")
        _say(f"installing Portkey {PORTKEY_VERSION} with npm")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted, "overrides": wanted}))
        failure = _run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder=place)
        if failure:
            raise InstallFailure(f"Portkey is left out: {failure}")
    return modules / "@portkey-ai/gateway/build/start-server.js"


def _npm_version(package: Path) -> str:
    """Return the version of an unpacked npm package, "" when it is not there."""
    manifest = package / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else ""


def _install_litellm(place: Path) -> Path:
    """Return LiteLLM's program in its own environment, which holds exactly what litellm.lock names."""
    program, stamp = place / "bin/litellm", place / "installed"
    digest = hashlib.sha256(LITELLM_LOCK.read_bytes()).hexdigest()
    if not (program.exists() and stamp.exists() and stamp.read_text() == digest):
        _say(f"installing LiteLLM {LITELLM_VERSION} (about 800 MB, one to three minutes)")
        failure = _run([sys.executable, "-m", "venv", "--clear", str(place)]) or _run(
            [str(place / "bin/pip"), "install", "--quiet", "--no-deps", "--requirement", str(LITELLM_LOCK)]
        )
        if failure:
            raise InstallFailure(f"LiteLLM is left out: {failure}")
        stamp.write_text(digest)
    return program


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a command; return "" or, when it failed, the end of what it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-400:] or f"status {done.returncode}"


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)
