"""What an e-mail says, in parts, and how the parts become plain text and HTML."""

from __future__ import annotations

from html import escape

import msgspec

from tollkeeper.notify.message import Message


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one mail, all plain text: escaping is the layout's business. `action` names what the link does."""

    subject: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    action: str
    commands: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class Stationery(msgspec.Struct, frozen=True):
    """What every mail in one language carries besides its letter."""

    html_language: str
    copy_link: str
    sent_by: str
    fonts: str
    line_breaks: str


def lay_out(letter: Letter, stationery: Stationery, *, link: str, public_url: str) -> Message:
    """Return the letter as a message with one link: as a button where there are buttons, and always bare."""
    text = _text(letter, stationery, link, public_url)
    return Message(f"[Tollkeeper] {letter.subject}", text, _html(letter, stationery, link, public_url))


def _text(letter: Letter, stationery: Stationery, link: str, public_url: str) -> str:
    facts = "\n".join(f"  {label}: {value}" for label, value in letter.facts)
    commands = [f"{caption}\n\n{_indented(command)}" for caption, command in letter.commands]
    # Addresses stand on lines of their own: some mail programs take what follows, such as a Korean particle, for a part.
    parts = [
        letter.subject,
        *letter.paragraphs,
        facts,
        f"{letter.action}:\n{link}",
        *commands,
        *letter.notes,
        f"{stationery.sent_by}\n{public_url}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _indented(command: str) -> str:
    return "\n".join(f"  {line}" for line in command.splitlines())


# Styles stand on each element because mail programs drop style sheets; no image, so nothing tells that a mail was read.
_PARAGRAPH = "margin:0 0 16px"
_QUIET = "margin:0 0 8px;font-size:14px;color:#4b5563"
_LABEL = "padding:2px 16px 2px 0;text-align:left;vertical-align:top;font-weight:normal;color:#4b5563;white-space:nowrap"
_VALUE = "padding:2px 0;overflow-wrap:anywhere"
_BUTTON = (
    "display:inline-block;padding:12px 24px;border-radius:6px;background-color:#1d4ed8;color:#ffffff;"
    "font-weight:bold;text-decoration:none"
)
_COMMAND = (
    "margin:0 0 16px;padding:12px;border-radius:6px;background-color:#f3f4f6;color:#111827;"
    "font-family:Menlo,Consolas,monospace;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere"
)
_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{title}</title>
</head>
<body style="margin:0;padding:24px 12px;background-color:#f3f4f6">
<div style="max-width:560px;margin:0 auto;padding:32px 24px;border-radius:8px;background-color:#ffffff;color:#111827;\
font-family:{fonts};font-size:16px;line-height:1.6;word-break:{line_breaks};overflow-wrap:anywhere">
<h1 style="margin:0 0 16px;font-size:20px;line-height:1.4">{title}</h1>
{body}
<hr style="margin:24px 0 16px;border:0;border-top:1px solid #d1d5db">
<p style="margin:0;font-size:13px;color:#4b5563">{sent_by}<br>{public_url}</p>
</div>
</body>
</html>
"""


def _html(letter: Letter, stationery: Stationery, link: str, public_url: str) -> str:
    body = [_element("p", _PARAGRAPH, paragraph) for paragraph in letter.paragraphs]
    body += [_table(letter.facts)] if letter.facts else []
    body += [
        f'<p style="margin:24px 0"><a href="{escape(link)}" style="{_BUTTON}">{escape(letter.action)}</a></p>',
        f'<p style="{_QUIET}">{escape(stationery.copy_link)}<br>{escape(link)}</p>',
    ]
    for caption, command in letter.commands:
        body += [_element("p", "margin:16px 0 8px", caption), _element("pre", _COMMAND, command)]
    body += [_element("p", _QUIET, note) for note in letter.notes]
    return _PAGE.format(
        language=stationery.html_language,
        title=escape(letter.subject),
        fonts=stationery.fonts,
        line_breaks=stationery.line_breaks,
        body="\n".join(body),
        sent_by=escape(stationery.sent_by),
        public_url=escape(public_url),
    )


def _table(facts: tuple[tuple[str, str], ...]) -> str:
    rows = [
        f'<tr><th scope="row" style="{_LABEL}">{escape(label)}</th><td style="{_VALUE}">{escape(value)}</td></tr>'
        for label, value in facts
    ]
    return "\n".join(['<table style="margin:0 0 16px;border-collapse:collapse;font-size:16px">', *rows, "</table>"])


def _element(tag: str, style: str, text: str) -> str:
    return f'<{tag} style="{style}">{escape(text)}</{tag}>'
