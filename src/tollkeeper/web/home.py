"""The page at `/`: says that Tollkeeper runs and how to send it a first call, in English or Korean."""

from __future__ import annotations

import html
import re
from string import Template

from starlette.requests import Request
from starlette.responses import Response

from tollkeeper.web.languages import Language, choose_language
from tollkeeper.web.page import LOGO, STYLE, page_headers, read_part

_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "state": "Running",
        "lead": "One address for every AI provider. Each call is metered, and its cost is known to the last digit.",
        "address_title": "Base URL for your client",
        "try_title": "Send a first call",
        "hello": "Hello",
        "costs_title": "See what it cost",
        "api_link": "Administration API",
        "ready_link": "Readiness",
        "sign_in_link": "Sign in",
    },
    "ko": {
        "state": "실행 중",
        "lead": "모든 AI 공급자를 하나의 주소로 호출하세요. 호출마다 사용량을 재고, 비용을 마지막 자리까지 정확히 기록합니다.",
        "address_title": "클라이언트에 설정할 기본 URL",
        "try_title": "첫 호출 보내기",
        "hello": "안녕하세요",
        "costs_title": "비용 확인하기",
        "api_link": "관리 API 명세",
        "ready_link": "준비 상태",
        "sign_in_link": "로그인",
    },
}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

_page = Template(read_part("home.html"))


def home_page(request: Request, *, has_accounts: bool = False) -> Response:
    """Render the page in the language that the browser likes best."""
    language = choose_language(request.headers.get("accept-language", ""))
    texts = {name: html.escape(text) for name, text in _TEXTS[language].items()}
    body = _page.substitute(
        texts,
        lang=language,
        style=STYLE,
        logo=LOGO,
        base_url=f"{_origin(request)}/v1",
        sign_in=f'<a href="sign-in">{texts["sign_in_link"]}</a>' if has_accounts else "",
    )
    return Response(body, headers=page_headers(language), media_type="text/html")


def _origin(request: Request) -> str:
    """Return the address that the browser used: it is the one that works from where the reader sits."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("127.0.0.1", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{html.escape(str(request.url.scheme))}://{html.escape(host)}"
