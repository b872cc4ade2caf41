"""How a report's parts become plain text and HTML: tables that mail programs show alike, bars that are cells, no images."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import msgspec

from tollkeeper.notify.letter import Stationery
from tollkeeper.notify.message import Message

FULL = 1000
"""A whole bar, in thousandths."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a section, all plain text. `bar_permille` is how long its bar is; None has none."""

    name: str
    kind: str = ""  # what it is, behind the name
    detail: str = ""
    amount: str
    shown: str = ""  # the amount in another currency
    change: str = ""
    bar_permille: int | None = None


class Section(msgspec.Struct, frozen=True):
    """A table with its title. `note` stands below it."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""


class ReportPage(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report, all plain text: escaping is the layout's business. `amount` is "" where there is nothing to tell."""

    title: str
    organization: str
    span: str
    amount: str
    shown: str = ""  # the amount in another currency
    headline: str
    facts: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    command: tuple[str, str]
    action: str


def lay_out_report(page: ReportPage, stationery: Stationery, *, link: str, public_url: str) -> Message:
    """Return the report as a message with one link: as a button, and bare."""
    subject = f"[Tollkeeper] {page.title}: {page.organization}, {page.span}"
    return Message(subject, _text(page, stationery, link, public_url), _html(page, stationery, link, public_url))


def _text(page: ReportPage, stationery: Stationery, link: str, public_url: str) -> str:
    head = f"{page.title}\n{page.organization}\n{page.span}"
    facts = "\n".join(f"  {label}: {value}" for label, value in page.facts)
    parts = [
        head,
        "\n".join(each for each in (page.amount, page.shown, page.headline) if each),
        facts,
        "\n".join(page.doubts),
        *map(_text_section, page.sections),
        *page.notes,
        f"{page.command[0]}\n\n  {page.command[1]}",
        f"{page.action}:\n{link}",
        f"{stationery.sent_by}\n{public_url}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _text_section(section: Section) -> str:
    """Return a section as lines. Names stand last: one that is written from right to left then moves nothing else."""
    wide = max(len(row.amount) for row in section.rows)
    changes = max(len(row.change) for row in section.rows)
    beside = max(len(row.shown) for row in section.rows)
    lines = [section.title]
    for row in section.rows:
        change = f"  {row.change:>{changes}}" if changes else ""
        shown = f"  {row.shown:>{beside}}" if beside else ""
        lines.append(f"  {row.amount:>{wide}}{shown}{change}  {row.name}{_kind(row)}")
        if row.detail:
            lines.append(f"  {'':>{wide}}  {row.detail}")
    return "\n".join([*lines, *([section.note] if section.note else [])])


# Styles stand on each element because many mail programs drop style sheets; those that know dark mode read this one, and
# their own classes win over what stands on the elements.
_DARK = (
    ".page{background-color:#0f172a!important}.card{background-color:#1e293b!important;color:#f1f5f9!important}"
    ".quiet{color:#cbd5e1!important}.bar{background-color:#60a5fa!important}.track{background-color:#334155!important}"
    ".rule{border-color:#475569!important}.code{background-color:#334155!important;color:#f1f5f9!important}"
)
_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>:root{{color-scheme:light dark}}@media (prefers-color-scheme:dark){{{dark}}}</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f3f4f6">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background-color:#f3f4f6">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:640px;\
background-color:#ffffff;color:#111827;border-radius:8px;font-family:{fonts};font-size:15px;line-height:1.5;\
word-break:{line_breaks};overflow-wrap:anywhere">
<tr><td style="padding:32px 24px">
{body}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
"""
_QUIET = "margin:0 0 8px;font-size:13px;color:#4b5563"
_TABLE = '<table width="100%" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 24px;font-size:14px">'
_UNDER = "margin:4px 0 20px;color:#4b5563"
_DOUBT = "margin:0 0 16px;font-size:13px;color:#4b5563"
_NAME = "padding:4px 12px 4px 0;font-weight:normal"
_DETAIL = "font-size:12px;color:#4b5563"
_NUMBER = "padding:4px 0 4px 12px;white-space:nowrap"
_COMMAND = (
    "margin:0 0 16px;padding:12px;border-radius:6px;background-color:#f3f4f6;color:#111827;"
    "font-family:Menlo,Consolas,monospace;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere"
)
_BUTTON = (
    "display:inline-block;padding:12px 24px;border-radius:6px;background-color:#1d4ed8;color:#ffffff;"
    "font-weight:bold;text-decoration:none"
)


def _html(page: ReportPage, stationery: Stationery, link: str, public_url: str) -> str:
    body = [
        f'<h1 style="margin:0 0 4px;font-size:20px;line-height:1.4">{escape(page.title)}</h1>',
        f'<p class="quiet" style="{_UNDER}"><bdi>{escape(page.organization)}</bdi><br>{escape(page.span)}</p>',
    ]
    if page.amount:
        body.append(f'<p style="margin:0;font-size:32px;line-height:1.2;font-weight:bold">{escape(page.amount)}</p>')
    if page.shown:
        body.append(f'<p class="quiet" style="{_QUIET}">{escape(page.shown)}</p>')
    body.append(f'<p class="quiet" style="{_UNDER}">{escape(page.headline)}</p>')
    body += _facts(page.facts)
    body += [f'<p class="quiet" style="{_DOUBT}">{escape(doubt)}</p>' for doubt in page.doubts]
    for section in page.sections:
        body += _section(section)
    body += [
        f'<p style="margin:24px 0"><a href="{escape(link)}" style="{_BUTTON}">{escape(page.action)}</a></p>',
        f'<p class="quiet" style="{_QUIET}">{escape(stationery.copy_link)}<br>{escape(link)}</p>',
        *(f'<p class="quiet" style="{_QUIET}">{escape(note)}</p>' for note in page.notes),
        f'<p class="quiet" style="{_QUIET}">{escape(page.command[0])}</p>',
        f'<pre class="code" style="{_COMMAND}">{escape(page.command[1])}</pre>',
        '<hr class="rule" style="margin:24px 0 16px;border:0;border-top:1px solid #d1d5db">',
        f'<p class="quiet" style="{_QUIET}">{escape(stationery.sent_by)}<br>{escape(public_url)}</p>',
    ]
    return _PAGE.format(
        language=stationery.html_language,
        title=escape(page.title),
        dark=_DARK,
        fonts=stationery.fonts,
        line_breaks=stationery.line_breaks,
        body="\n".join(body),
    )


def _facts(facts: tuple[tuple[str, str], ...]) -> Iterator[str]:
    if not facts:
        return
    yield _TABLE
    for label, value in facts:
        yield (
            f'<tr><th scope="row" align="left" class="quiet" style="padding:3px 12px 3px 0;font-weight:normal;'
            f'color:#4b5563">{escape(label)}</th><td align="right" style="padding:3px 0">{escape(value)}</td></tr>'
        )
    yield "</table>"


def _section(section: Section) -> Iterator[str]:
    yield f'<h2 style="margin:0 0 8px;font-size:16px;line-height:1.4">{escape(section.title)}</h2>'
    has_bars = any(row.bar_permille is not None for row in section.rows)
    has_changes = any(row.change for row in section.rows)
    yield _TABLE
    for row in section.rows:
        detail = f'<br><span class="quiet" style="{_DETAIL}">{escape(row.detail)}</span>' if row.detail else ""
        name = f"<bdi>{escape(row.name)}</bdi>{escape(_kind(row))}{detail}"
        cells = [f'<th scope="row" align="left" valign="top" style="{_NAME}">{name}</th>']
        if has_bars:
            cells.append(f'<td width="22%" style="padding:4px 0">{_bar(row.bar_permille or 0)}</td>')
        shown = f'<br><span class="quiet" style="{_DETAIL}">{escape(row.shown)}</span>' if row.shown else ""
        cells.append(f'<td width="18%" align="right" valign="top" style="{_NUMBER}">{escape(row.amount)}{shown}</td>')
        if has_changes:
            cells.append(
                f'<td width="16%" align="right" valign="top" class="quiet" style="{_NUMBER};color:#4b5563">'
                f"{escape(row.change)}</td>"
            )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table>"
    if section.note:
        yield f'<p class="quiet" style="{_QUIET}">{escape(section.note)}</p>'


def _kind(row: Row) -> str:
    return f" ({row.kind})" if row.kind else ""


def _bar(permille: int) -> str:
    """Return a bar as two cells, their widths in whole percents; what is more than nothing shows."""
    percent = min(max(permille // 10, 1 if permille > 0 else 0), 100)
    style = "height:8px;line-height:8px;font-size:0"
    full = f'<td class="bar" width="{percent}%" style="{style};background-color:#2563eb">&nbsp;</td>'
    rest = f'<td class="track" width="{100 - percent}%" style="{style};background-color:#e5e7eb">&nbsp;</td>'
    cells = (full if percent else "") + (rest if percent < 100 else "")
    table = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">'
    return f"{table}<tr>{cells}</tr></table>"
