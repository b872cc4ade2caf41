"""Secrets from variables, files and commands: what is read, what is refused, and that nothing of it is ever told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tollkeeper.kit import secret_sources
from tollkeeper.kit.secret_sources import (
    SECRET_BYTES_MAX,
    SecretReader,
    SecretSource,
    SecretUnavailable,
    read_command,
)

SECRET = "sk-canary-3f9a"


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


def in_file(path: Path, content: bytes, mode: int = 0o600) -> SecretSource:
    path.write_bytes(content)
    path.chmod(mode)
    return SecretSource("email.password", file=str(path))


def refusal(source: SecretSource, **environment: str) -> str:
    with pytest.raises(SecretUnavailable) as raised:
        SecretReader(environment).read(source)
    error = raised.value
    assert "email.password" in str(error)
    told = f"{error!s} {error!r} {error.__cause__!r} {error.__suppress_context__ or error.__context__!r}"
    assert "canary" not in told
    return str(error)


def test_each_place_gives_its_secret_without_the_line_break_at_its_end(tmp_path: Path) -> None:
    reader = SecretReader({"PASSWORD": SECRET + "\n"})
    assert reader.read(SecretSource("s", variable="PASSWORD")) == SECRET
    for content in (SECRET, SECRET + "\n", SECRET + "\r\n"):
        assert reader.read(in_file(tmp_path / "secret", content.encode())) == SECRET
        assert reader.read(SecretSource("s", command=python(f"print({content!r}, end='')"))) == SECRET
    assert reader.warnings == []


def test_what_stands_within_a_secret_is_kept(tmp_path: Path) -> None:
    odd = " päss wörd €🔑 "
    assert SecretReader({}).read(in_file(tmp_path / "secret", odd.encode() + b"\n")) == odd


def test_two_places_are_refused(tmp_path: Path) -> None:
    file = in_file(tmp_path / "secret", SECRET.encode()).file
    for source in (
        SecretSource("email.password", "A", file),
        SecretSource("email.password", "A", command=("true",)),
        SecretSource("email.password", file=file, command=("true",)),
    ):
        assert "not several" in refusal(source, A=SECRET)
    assert "is needed" in refusal(SecretSource("email.password"))


def test_a_variable_that_is_not_set_is_named() -> None:
    assert "environment variable SMTP is not set" in refusal(SecretSource("email.password", "SMTP"))
    assert "not set" in refusal(SecretSource("email.password", "SMTP"), SMTP="")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"sk-canary\nsecond\n", "line break"),
        (b"sk-canary\0", "control character"),
        (b"sk-canary\x7f", "control character"),
        (b"sk-canary\xff", "UTF-8"),
        (b"canary" * SECRET_BYTES_MAX, "more than 65536 bytes"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_from_every_place(tmp_path: Path, content: bytes, reason: str) -> None:
    source = in_file(tmp_path / "secret", content)
    assert reason in refusal(source)
    program = f"import sys, pathlib; sys.stdout.buffer.write(pathlib.Path({source.file!r}).read_bytes())"
    assert reason in refusal(SecretSource("email.password", command=python(program)))
    if content not in {b"", b"\n"} and b"\0" not in content:
        variable = content.decode(errors="surrogateescape")
        assert reason in refusal(SecretSource("email.password", "SMTP"), SMTP=variable)


def test_a_file_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    assert "may be written by anybody" in refusal(in_file(tmp_path / "secret", SECRET.encode(), 0o602))


def test_a_file_that_anybody_may_read_is_warned_of(tmp_path: Path) -> None:
    reader = SecretReader({})
    assert reader.read(in_file(tmp_path / "secret", SECRET.encode(), 0o444)) == SECRET
    (warning,) = reader.warnings
    assert warning.startswith(f"email.password_file: {tmp_path / 'secret'} may be read by anybody")
    assert SECRET not in warning


def test_a_link_to_a_secret_is_followed(tmp_path: Path) -> None:
    in_file(tmp_path / "real", SECRET.encode())
    (tmp_path / "link").symlink_to("real")
    assert SecretReader({}).read(SecretSource("s", file=str(tmp_path / "link"))) == SECRET


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("pipe", "not a file"), (".", "Is a directory"), ("gone", "No such file"), ("a\0b", "name")):
        assert reason in refusal(SecretSource("email.password", file=f"{tmp_path}/{name}"))


def test_no_shell_reads_a_command() -> None:
    program = "import sys; print(sys.argv[1])"
    assert read_command((*python(program), "$HOME; `id` *"), setting="s") == "$HOME; `id` *"


def test_a_command_gets_the_environment_and_no_input() -> None:
    program = "import os, sys; print(os.environ['TOKEN'] + repr(sys.stdin.read()))"
    assert read_command(python(program), setting="s", environment={"TOKEN": "x"}) == "x''"


def test_a_command_that_fails_is_refused_without_a_word_of_what_it_wrote(capfd: pytest.CaptureFixture[str]) -> None:
    program = f"import sys; print('{SECRET}'); print('{SECRET}', file=sys.stderr); sys.exit(3)"
    message = refusal(SecretSource("email.password", command=python(program)))
    assert "exit code 3" in message
    assert capfd.readouterr() == ("", "")


def test_a_command_that_is_not_there_is_refused_without_its_arguments() -> None:
    command = ("/no/such/program", "--token", SECRET)
    assert "No such file" in refusal(SecretSource("email.password", command=command))
    assert "/no/such/program" in refusal(SecretSource("email.password", command=command))
    refusal(SecretSource("email.password", command=("true\0", SECRET)))


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import os, time; print('canary', flush=True); os.close(1); time.sleep(60)",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
    ],
    ids=["silent", "goes on after its output", "leaves a child behind"],
)
def test_a_command_that_does_not_end_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    monkeypatch.setattr(secret_sources, "COMMAND_S", 0.5)
    started = time.monotonic()
    marked = {"TK_MARK": str(tmp_path), "PATH": os.environ["PATH"]}
    with pytest.raises(SecretUnavailable, match=r"did not end within 0\.5 s"):
        read_command(python(program), setting="s", environment=marked)
    assert time.monotonic() - started < 10
    assert not processes_with(str(tmp_path))


def test_a_command_that_writes_for_ever_is_ended(tmp_path: Path) -> None:
    program = "import sys\nwhile True: sys.stdout.write('canary' * 10_000)"
    marked = {"TK_MARK": str(tmp_path)}
    with pytest.raises(SecretUnavailable, match="more than 65536 bytes"):
        read_command(python(program), setting="s", environment=marked)
    assert not processes_with(str(tmp_path))


def processes_with(mark: str) -> list[str]:
    """Return the processes that have `mark` in their environment, after a moment for those that were just killed."""
    found: list[str] = []
    for _ in range(100):
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"TK_MARK={mark}".encode() in (folder / "environ").read_bytes():
                    found.append(folder.name)
            except OSError:
                continue
        if not found:
            break
        time.sleep(0.02)
    return found
