"""Exports of the audit log, read back and checked: whole ones, searches of them, and ones that somebody changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audit_logs import PEPPER, SECRETS, head_of, note, write_log
from sqlalchemy import delete, update

from tollkeeper.control import audit as audit_steps
from tollkeeper.control.administration import Administration, Target, operator
from tollkeeper.control.audit import AuditFilter
from tollkeeper.control.audit_export import Form, export_header, export_line
from tollkeeper.control.audit_file import check_file
from tollkeeper.domain.audit_copy import CopyReport
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import audit_event

FORMS: list[Form] = ["jsonl", "csv"]
NAMES = ["plain", "=1+1", "'=1", 'a,b\n"c"', "한국어 🦊", "-", "'", "@x\r\ny", "\u2028", ""]


async def export(store: Store, form: Form, wanted: AuditFilter | None = None) -> bytes:
    administration, caller = Administration(store, SECRETS), operator("org_a", name="=tests")
    wanted = wanted or AuditFilter()
    pages = audit_steps.read_export(administration, caller, wanted, last=10**9)
    lines = [export_line(event, form) async for page in pages for event in page]
    return export_header(form) + b"".join(lines)


def check(data: bytes, key: bytes = SECRETS.audit_key, **more: Any) -> CopyReport:
    return check_file(io.BufferedReader(io.BytesIO(data)), more.pop("organization", "org_a"), key, **more)  # type: ignore[arg-type]


def said(report: CopyReport) -> list[str]:
    assert report.faults_count == len(report.faults)
    return [fault.message for fault in report.faults]


@pytest.fixture
async def log(store: Store) -> Store:
    """A log of 20 events with every kind of text in it, by someone whose name is a formula."""
    administration, caller = Administration(store, SECRETS), operator("org_a", name="=tests")
    await administration.change(caller, note, *NAMES)

    async def odd(action: Any) -> None:
        for number in range(10):
            before = {"number": -number, "deep": {"=x": [1, 2.5, None, "é"]}, "big": 10**18, "text": "a\tb"}
            action.record("team.odd", Target("team", f"team_{number}", "+x"), before=before, after=None)

    await administration.change(caller, odd)
    return store


@pytest.mark.parametrize("form", FORMS)
async def test_a_whole_export_is_as_it_was_written(log: Store, form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_steps, "_PAGE", 7)
    report = check(await export(log, form))
    assert (said(report), report.events, report.missing) == ([], 20, 0)
    assert report.head == await head_of(log)


@pytest.mark.parametrize("form", FORMS)
async def test_a_search_is_checked_too_and_what_it_leaves_out_is_told(log: Store, form: Form) -> None:
    await write_log(log, count=3)
    report = check(await export(log, form, AuditFilter(action="team.create")))
    assert (said(report), report.events) == ([], 13)
    assert (report.gaps, report.missing) == (((11, 20),), 10)


CHANGES: list[tuple[str, Callable[[list[dict[str, Any]]], None], str]] = [
    ("a name", lambda rows: rows[4].update(target_name="x"), "number 5 was changed"),
    ("who did it", lambda rows: rows[4].update(actor_id="acc_other"), "number 5 was changed"),
    ("when", lambda rows: rows[4].update(at="2026-01-01T00:00:00Z"), "number 5 was changed"),
    ("what it became", lambda rows: rows[4].update(after='{"name":"other"}'), "number 5 was changed"),
    ("its mac", lambda rows: rows[4].update(mac="00" * 32), "number 5 was changed"),
    ("the mac before", lambda rows: rows[4].update(previous_mac="11" * 32), "number 5 was changed"),
    ("another number", lambda rows: rows[4].update(number="4"), "number 4 was inserted"),
    ("the order", lambda rows: rows.insert(2, rows.pop(5)), "number 3 was inserted"),
    ("twice", lambda rows: rows.insert(5, rows[4]), "number 5 was inserted"),
]


@pytest.mark.parametrize(("change", "told"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
@pytest.mark.parametrize("form", FORMS)
async def test_a_change_is_found_where_it_was_made(
    log: Store, form: Form, change: Callable[[list[dict[str, Any]]], None], told: str
) -> None:
    data = await export(log, form)
    assert told in said(check(_changed(data, form, change)))


def _changed(data: bytes, form: Form, change: Callable[[list[dict[str, Any]]], None]) -> bytes:
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
        change(rows)
        written = io.StringIO()
        writer = csv.DictWriter(written, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        return written.getvalue().encode()
    flat = []
    for line in data.splitlines():
        event = json.loads(line)
        flat.append({"event": event})
        for name, (outer, inner) in {"target_name": ("target", "name"), "actor_id": ("actor", "id")}.items():
            flat[-1][name] = event[outer][inner]
        flat[-1] |= {name: event[name] for name in ("at", "mac", "previous_mac", "number")}
        flat[-1]["after"] = json.dumps(event["after"], ensure_ascii=False, separators=(",", ":"))
        flat[-1]["before"] = json.dumps(event["before"], ensure_ascii=False, separators=(",", ":"))
    change(flat)
    lines = []
    for row in flat:
        event = row["event"]
        event = event | {name: row[name] for name in ("at", "mac", "previous_mac")} | {"number": int(row["number"])}
        event["target"] = event["target"] | {"name": row["target_name"]}
        event["actor"] = event["actor"] | {"id": row["actor_id"]}
        text = json.dumps(event | {"before": "@before", "after": "@after"}, ensure_ascii=False)
        text = text.replace('"@before"', row["before"]).replace('"@after"', row["after"])
        lines.append(text.encode() + b"\n")
    return b"".join(lines)


@pytest.mark.parametrize("form", FORMS)
async def test_lines_that_were_taken_out_are_told_and_an_end_by_its_head(log: Store, form: Form) -> None:
    data = await export(log, form)
    report = check(_changed(data, form, lambda rows: rows.__delitem__(slice(4, 7))))
    assert (said(report), report.gaps) == ([], ((5, 7),))
    cut = check(_changed(data, form, lambda rows: rows.__delitem__(slice(18, 20))))
    assert cut.head is not None
    assert (said(cut), cut.head.number) == ([], 18)
    assert cut.head != await head_of(log)


@pytest.mark.parametrize("form", FORMS)
async def test_nothing_but_the_installations_own_pepper_and_organization_fit(log: Store, form: Form) -> None:
    data = await export(log, form)
    assert check(data, b"another key" * 3).faults_count == 20
    assert check(data, organization="org_b").faults_count == 20
    head = await head_of(log)
    assert said(check(data, kept={head.number: head.mac})) == []
    assert said(check(data, kept={5: b"x" * 32})) == ["number 5 is not the one whose head was kept"]


async def test_what_was_wrong_in_the_log_is_wrong_in_its_export(log: Store) -> None:
    mine = audit_event.c.organization_id == "org_a"
    changed = update(audit_event).where(mine, audit_event.c.number == 6).values(address="192.0.2.66")
    await log.write(lambda c: c.execute(changed))
    await log.write(lambda c: c.execute(delete(audit_event).where(mine, audit_event.c.number == 12)))
    report = check(await export(log, "jsonl"))
    assert said(report) == ["number 6 was changed", "number 13 was changed"]  # what came before 13 is gone
    assert report.gaps == ((12, 12),)


@pytest.mark.parametrize("data", [b"{}\n", b"{nothing\n", b"a,b\n1,2\n", b"\xff\xfe", b'{"number": 1}\n'])
def test_a_file_that_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        check(data)


def test_an_empty_file_has_no_events() -> None:
    assert (check(b"").events, check(b"").head) == (0, None)


def test_the_command_checks_a_file(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from test_audit_commands import run, write

    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    write(sqlite_url)
    out = tmp_path / "log.jsonl"
    exported = run("audit", "export", "--installation", "--out", str(out), url=sqlite_url)
    assert exported.exit_code == 0, exported.output
    whole = run("audit", "verify", "--file", str(out), "--installation", url=sqlite_url)
    assert whole.exit_code == 0, whole.output
    assert "1 audit events in the file: all as they were written." in whole.stdout
    shown = json.loads(run("audit", "verify", "--file", str(out), "--installation", "--json", url=sqlite_url).stdout)
    assert (shown["is_whole"], shown["events"], shown["gaps"]) == (True, 1, [])
    out.write_bytes(out.read_bytes().replace(b"audit.begin", b"audit.begun"))
    broken = run("audit", "verify", "--file", str(out), "--installation", url=sqlite_url)
    assert (broken.exit_code, "number 1 was changed" in broken.stdout) == (1, True)
    missing = run("audit", "verify", "--file", str(tmp_path / "none"), "--installation", url=sqlite_url)
    assert isinstance(missing.exception, InvalidRequest)
    assert isinstance(run("audit", "verify", "--installation", url=sqlite_url).exception, InvalidRequest)
