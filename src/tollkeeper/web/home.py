"""The page at `/`: says that Tollkeeper runs and how to send it a first call, in English or Korean."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from string import Template

from starlette.requests import Request
from starlette.responses import Response

_TEXTS = {
    "en": {
        "state": "Running",
        "lead": "One address for every AI provider. Each call is metered, and its cost is known to the last digit.",
        "address_title": "Base URL for your client",
        "try_title": "Send a first call",
        "hello": "Hello",
        "costs_title": "See what it cost",
        "api_link": "Administration API",
        "ready_link": "Readiness",
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
    },
}
_DEFAULT = "en"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

_page = files(__package__).joinpath("home.html").read_text("utf-8")
_style = re.search(r"<style>(.*?)</style>", _page, re.DOTALL)
assert _style is not None
_style_digest = base64.b64encode(hashlib.sha256(_style.group(1).encode()).digest()).decode()
_HEADERS = {
    # nothing is loaded from anywhere; the one inline style is let in by its digest
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_style_digest}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "vary": "accept-language",
    "cache-control": "no-cache",
}


def home_page(request: Request) -> Response:
    """Render the page in the language that the browser likes best."""
    language = choose_language(request.headers.get("accept-language", ""))
    texts = {name: html.escape(text) for name, text in _TEXTS[language].items()}
    body = Template(_page).substitute(texts, lang=language, base_url=f"{_origin(request)}/v1")
    return Response(body, headers=_HEADERS | {"content-language": language}, media_type="text/html")


def choose_language(accepted: str) -> str:
    """Return the language of ours that an Accept-Language header likes best; English when it likes none."""
    best, best_weight = _DEFAULT, 0
    for part in accepted.split(","):
        name, _, weight_text = part.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in _TEXTS and (weight := _weight(weight_text)) > best_weight:
            best, best_weight = language, weight
    return best


def _weight(text: str) -> int:
    """Read `q=0.8` in thousandths (RFC 9110, 12.4.2); nothing stands for 1, nonsense for 0."""
    if not text.strip():
        return 1000
    match = re.fullmatch(r"q=([01])(?:\.([0-9]{0,3}))?", text.strip().replace(" ", "").lower())
    return int(match.group(1)) * 1000 + int((match.group(2) or "").ljust(3, "0")) if match else 0


def _origin(request: Request) -> str:
    """Return the address that the browser used: it is the one that works from where the reader sits."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("127.0.0.1", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{html.escape(str(request.url.scheme))}://{html.escape(host)}"
