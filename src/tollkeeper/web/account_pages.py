"""The pages of accounts: where e-mails and logins lead to. A page holds no secret and nobody's name; its script asks for both."""

from __future__ import annotations

import html
import json
from functools import cache
from string import Template
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tollkeeper.control.account_rules import SignUp
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.web.account_texts import ERRORS, PAGES, PROVIDERS, SCRIPT, SHARED
from tollkeeper.web.languages import Language, choose_language
from tollkeeper.web.page import LOGO, STYLE, page_headers, read_part
from tollkeeper.web.refusal_texts import LENGTH_MAX, told

AccountPage = Literal["sign-in", "sign-up", "forgot-password", "reset-password", "verify-email", "accept-invitation"]
ACCOUNT_PAGES: tuple[AccountPage, ...] = get_args(AccountPage)

_frame = Template(read_part("account.html"))
_script = read_part("account.js")


def account_page(request: Request, *, name: AccountPage, sign_up: SignUp) -> Response:
    """Answer a page in the language that the browser likes best. Nothing of the request is in it, least of all a token;
    only whether somebody may be signed in, so that the script need not ask who when nobody can be. Where not everybody may
    make an account, the script hides the way there.
    """
    language = choose_language(request.headers.get("accept-language", ""))
    headers = page_headers(language, script=_script)
    headers |= {"cross-origin-opener-policy": "same-origin", "vary": "accept-language, cookie"}
    body = _render(name, language, sign_up=sign_up, has_session=SESSION_COOKIE in request.cookies)
    return Response(body, headers=headers, media_type="text/html")


def refusal_text(request: Request) -> Response:
    """Answer what the API said (`?said=`) in the reader's language, as plain text; as it is when nobody has translated it.

    The script asks: the API itself speaks English to everybody.
    """
    language = choose_language(request.headers.get("accept-language", ""))
    headers = {"cache-control": "no-store", "vary": "accept-language", "x-content-type-options": "nosniff"}
    return PlainTextResponse(told(language, request.query_params.get("said", "")[:LENGTH_MAX]), headers=headers)


@cache
def _render(name: AccountPage, language: Language, *, sign_up: SignUp, has_session: bool) -> bytes:
    said = {each: html.escape(text) for each, text in {**SHARED[language], **PAGES[language][name]}.items()}
    content = Template(read_part(f"forms/{name}.html")).substitute(said)
    page = _frame.substitute(
        said,
        lang=language,
        name=name,
        sign_up=sign_up,
        session=" data-session" if has_session else "",
        style=STYLE,
        logo=LOGO,
        content=content,
        script=_script,
        script_texts=_script_texts(name, language),
    )
    return page.encode()


def _script_texts(name: AccountPage, language: Language) -> str:
    """Return the texts that the script shows, as JSON that cannot end its element."""
    own = PAGES[language][name]
    texts = {
        **SCRIPT[language],
        **{each: own.get(each, "") for each in ("sent", "offer", "offer_unnamed")},
        "errors": {**ERRORS[language][""], **ERRORS[language].get(name, {})},
        "providers": PROVIDERS,
    }
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
