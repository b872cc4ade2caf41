"""/healthz, /readyz and the page at /: what anybody may see."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from fastapi import FastAPI

from tollkeeper.admin.app import make_app
from tollkeeper.admin.probes import Probes
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.store.engine import Store
from tollkeeper.web.home import home_page
from tollkeeper.web.languages import choose_language


def _home_app() -> FastAPI:
    return make_app(administration=None, authenticator=None, pages={"/": home_page})  # type: ignore[arg-type]


def _administration(store: Store) -> Administration:
    return Administration(store, Secrets.of(b"p" * 32))


async def test_a_living_process_says_so_without_its_store() -> None:
    async with client_of(make_app(administration=None, authenticator=None)) as client:  # type: ignore[arg-type]
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (await client.head("/healthz")).status_code == 200


async def test_a_process_with_its_database_is_ready(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"database": "ok"}})


async def test_a_process_without_its_database_is_not_ready(tmp_path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/no/such/folder/t.db")
    async with client_of(make_app(administration=_administration(store), authenticator=None)) as client:  # type: ignore[arg-type]
        answer = await client.get("/readyz")
    await store.aclose()
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"database": "out of reach"}}
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(("journal", "status"), [("ok", 200), ("full", 503)])
async def test_the_parts_of_the_process_count_too(sqlite_url: str, journal: str, status: int) -> None:
    store = Store.open(sqlite_url)
    async with (
        running_app(store, probes=Probes(_administration(store), lambda: {"journal": journal})) as app,
        client_of(app) as client,
    ):
        answer = await client.get("/readyz")
    await store.aclose()
    assert (answer.status_code, answer.json()["checks"]["journal"]) == (status, journal)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr, ko;q=0.5, en;q=0.4", "ko"),
        ("fr", "en"),
        ("ko;q=0, en;q=0.1", "en"),
        ("ko;q=2", "en"),
        ("ko;q=nonsense,*", "en"),
    ],
)
def test_the_page_speaks_the_language_the_browser_likes_best(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


async def test_the_page_says_where_to_send_calls_in_both_languages() -> None:
    async with client_of(_home_app()) as client:
        english = await client.get("/", headers={"host": "ai.example.com:8443"})
        korean = await client.get("/", headers={"accept-language": "ko"})
    assert "http://ai.example.com:8443/v1" in english.text
    assert "curl http://ai.example.com:8443/v1/chat/completions" in english.text
    assert '<html lang="ko">' in korean.text
    assert "실행 중" in korean.text
    assert korean.headers["content-language"] == "ko"
    assert "$TOLLKEEPER_KEY" in korean.text
    for answer in (english, korean):
        assert 'href="/openapi.json"' in answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["vary"] == "accept-language"


async def test_the_page_loads_nothing_and_may_run_nothing() -> None:
    async with client_of(_home_app()) as client:
        answer = await client.get("/")
    policy = answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy

    class _Loads(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found += [tag for name, value in attrs if name in {"src", "style", "onclick", "srcset"}]
            assert tag not in {"script", "link", "img", "iframe"}

    _Loads().feed(answer.text)
    assert _Loads.found == []


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "a b", "x'y", "evil.example/path"])
async def test_a_strange_host_header_does_not_reach_the_page(host: str) -> None:
    async with client_of(_home_app()) as client:
        answer = await client.get("/", headers={"host": host})
    assert answer.status_code == 200
    assert host not in answer.text
    assert "http://tollkeeper.test" in answer.text or "http://127.0.0.1" in answer.text


@ONLY_SQLITE
async def test_without_a_page_the_root_is_not_found(app: FastAPI) -> None:
    async with client_of(app) as client:
        assert (await client.get("/")).status_code == 404
