"""Secrets that the settings name: read from an environment variable, a file or a command's output.

Errors and warnings name the setting, never the secret. Commands come from the settings file alone: nothing that a
request can say ends up here.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from tollkeeper.kit.clock import monotonic_s

SECRET_BYTES_MAX = 64 * 1024
COMMAND_S = 10.0


class SecretUnavailable(Exception):
    """A secret cannot be read; the message names the setting and the reason."""


class SecretSource(msgspec.Struct, frozen=True):
    """Where one secret is. `setting` is its name without the ending, such as `email.password`."""

    setting: str
    variable: str = ""
    file: str = ""
    command: tuple[str, ...] = ()

    def check(self) -> None:
        """Pass when at most one place is given.

        Raises:
            SecretUnavailable: two or three are; which one wins nobody could tell.
        """
        given = [self.variable, self.file, self.command]
        if sum(map(bool, given)) > 1:
            raise SecretUnavailable(f"{self.setting}: give one of its _env, _file and _command, not several")

    @property
    def is_given(self) -> bool:
        return bool(self.variable or self.file or self.command)


class SecretReader:
    """Reads secrets at the start of a process and gathers what the operator should be warned of."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.warnings: list[str] = []

    def read(self, source: SecretSource) -> str:
        """Return the secret, without the line break at its end.

        Raises:
            SecretUnavailable: not exactly one place is given, or nothing usable is there.
        """
        source.check()
        if source.command:
            return read_command(source.command, setting=source.setting, environment=self._environment)
        if source.file:
            return self._read_file(Path(source.file), source.setting)
        if not source.variable:
            raise SecretUnavailable(f"{source.setting}: one of its _env, _file and _command is needed")
        text = self._environment.get(source.variable, "")
        if not text:
            raise SecretUnavailable(f"{source.setting}: the environment variable {source.variable} is not set")
        return _checked(text.encode(errors="surrogateescape"), f"{source.setting}: {source.variable}")

    def _read_file(self, path: Path, setting: str) -> str:
        """Read a file that not anybody can have written.

        One that anybody may read is only warned of: secrets are mounted into containers with mode 0444 or 0644, where
        there is nobody else.
        """
        where = f"{setting}_file: {path}"
        try:
            with open(path, "rb", opener=_open_without_waiting) as file:  # pathlib takes no opener
                mode = os.fstat(file.fileno()).st_mode
                raw = file.read(SECRET_BYTES_MAX + 1) if stat.S_ISREG(mode) else b""
        except (OSError, ValueError) as error:
            raise SecretUnavailable(f"{where}: {_reason(error)}") from None
        if not stat.S_ISREG(mode):
            raise SecretUnavailable(f"{where} is not a file")
        if mode & stat.S_IWOTH:
            raise SecretUnavailable(f"{where} may be written by anybody; chmod 600 it, after a look at what it holds")
        if mode & stat.S_IROTH:
            self.warnings.append(f"{where} may be read by anybody on this machine; chmod 600 it")
        return _checked(raw, where)


def read_command(command: tuple[str, ...], *, setting: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command, without a shell, and return what it wrote on standard output, without the line break at its end.

    Its standard error goes nowhere, because a secret may stand in it. It gets this process's environment unless another
    is given.

    Raises:
        SecretUnavailable: it cannot be started, fails, does not end within 10 s, or what it wrote is no secret.
    """
    where = f"{setting}_command: {command[0]}"
    try:
        process = subprocess.Popen(  # noqa: S603  # the operator's own command, from the settings file
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise SecretUnavailable(f"{where}: {_reason(error)}") from None
    deadline = monotonic_s() + COMMAND_S
    assert process.stdout is not None
    try:
        raw = _read_until(process.stdout, deadline)
        is_whole = len(raw) <= SECRET_BYTES_MAX
        code = process.wait(max(0.0, deadline - monotonic_s())) if is_whole else 0  # too much is refused below
    except (TimeoutError, subprocess.TimeoutExpired):
        raise SecretUnavailable(f"{where} did not end within {COMMAND_S:g} s") from None
    finally:
        _end(process)
    if code != 0:
        raise SecretUnavailable(f"{where} ended with exit code {code}; run it by hand to see why")
    return _checked(raw, where)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer must not stop the start


def _read_until(stream: IO[bytes], deadline: float) -> bytes:
    """Read to the end, or until there is more than a secret may have."""
    raw = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(raw) <= SECRET_BYTES_MAX:
            if not selector.select(max(0.0, deadline - monotonic_s())):
                raise TimeoutError
            piece = os.read(stream.fileno(), SECRET_BYTES_MAX)
            if not piece:
                break
            raw += piece
    return raw


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a command, its children included, and let nothing of it stay."""
    if process.returncode is None:  # not waited for, so that its number cannot be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _checked(raw: bytes, where: str) -> str:
    if len(raw) > SECRET_BYTES_MAX:
        raise SecretUnavailable(f"{where} holds more than {SECRET_BYTES_MAX} bytes")
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{where} is not UTF-8") from None
    if not text:
        raise SecretUnavailable(f"{where} is empty")
    if any(character < " " or character == "\x7f" for character in text):
        raise SecretUnavailable(f"{where} holds a line break or another control character")
    return text


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "cannot be read") if isinstance(error, OSError) else "its name cannot be one"
