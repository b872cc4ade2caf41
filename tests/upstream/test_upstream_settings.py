"""Request heads cannot be split by what is put into them; proxies are found in an environment as elsewhere."""

from __future__ import annotations

import pytest

from tollkeeper.domain.errors import ConfigurationError, InvalidRequest
from tollkeeper.ports.upstream import Origin
from tollkeeper.upstream.proxy import ProxyServer, ProxySettings, from_environment
from tollkeeper.upstream.request_head import render

ORIGIN = Origin("https", "api.provider.test", 443, "/openai")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "a.test", 443), b"a.test"),
        (Origin("http", "a.test", 80), b"a.test"),
        (Origin("http", "a.test", 443), b"a.test:443"),
        (Origin("http", "::1", 8080), b"[::1]:8080"),
        (Origin("http", "my_service", 8080), b"my_service:8080"),
    ],
)
def test_the_host_header_names_the_port_unless_it_is_the_usual_one(origin: Origin, host: bytes) -> None:
    assert render(origin, "GET", "/", []).split(b"\r\n")[1] == b"host: " + host


def test_headers_keep_their_order_and_an_accept_encoding_of_the_caller() -> None:
    head = render(ORIGIN, "POST", "/v1/x", [(b"B", b"2"), (b"a", b""), (b"Accept-Encoding", b"gzip")])
    assert head == (
        b"POST /openai/v1/x HTTP/1.1\r\nhost: api.provider.test\r\nB: 2\r\na: \r\nAccept-Encoding: gzip\r\n"
    )


@pytest.mark.parametrize("path", ["v1", "/a b", "/a\r\nx: y", "/a\nb", "/é", "/\x00", "/\x7f"])
def test_a_path_that_would_end_the_request_line_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        render(Origin("https", "a.test", 443), "GET", path, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"a", b"b\r\nc: d"),
        (b"a", b"b\nc"),
        (b"a", b"\x00"),
        (b"a b", b"c"),
        (b"a\r\n", b"c"),
        (b"", b"c"),
        (b"a:", b"c"),
    ],
)
def test_a_header_that_would_end_its_line_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        render(ORIGIN, "GET", "/", [(name, value)])


@pytest.mark.parametrize("name", [b"Host", b"content-length", b"Transfer-Encoding", b"connection", b"Expect"])
def test_headers_that_frame_the_message_are_ours_alone(name: bytes) -> None:
    with pytest.raises(AssertionError):
        render(ORIGIN, "GET", "/", [(name, b"x")])


@pytest.mark.parametrize("method", ["HEAD", "CONNECT", "get", "GET /x HTTP/1.1\r\nx:"])
def test_methods_that_this_client_cannot_carry_are_our_mistake(method: str) -> None:
    with pytest.raises(AssertionError):
        render(ORIGIN, method, "/", [])


PROXY = ProxyServer("proxy.test", 3128)
OTHER = ProxyServer("other.test", 80)


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({}, ProxySettings()),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, ProxySettings(https=PROXY)),
        ({"HTTPS_PROXY": "proxy.test:3128"}, ProxySettings(https=PROXY)),
        ({"https_proxy": "http://proxy.test:3128", "HTTPS_PROXY": "http://other.test"}, ProxySettings(https=PROXY)),
        ({"ALL_PROXY": "http://other.test", "HTTP_PROXY": "http://proxy.test:3128"}, ProxySettings(PROXY, OTHER)),
        ({"HTTP_PROXY": "http://proxy.test:3128", "REQUEST_METHOD": "GET"}, ProxySettings()),
        ({"http_proxy": "http://proxy.test:3128", "REQUEST_METHOD": "GET"}, ProxySettings(http=PROXY)),
        ({"NO_PROXY": " A.test, ,.b.test"}, ProxySettings(direct=("a.test", ".b.test"))),
        (
            {"HTTP_PROXY": "http://u:p%40ss@proxy.test:3128/"},
            ProxySettings(http=ProxyServer("proxy.test", 3128, b"Basic dTpwQHNz")),
        ),
    ],
)
def test_proxies_are_read_from_an_environment(environment: dict[str, str], settings: ProxySettings) -> None:
    assert from_environment(environment) == settings


@pytest.mark.parametrize(
    "url", ["https://proxy.test", "socks5://proxy.test:1080", "http://", "http://p:99999999", "http://[x"]
)
def test_a_proxy_that_cannot_be_spoken_to_is_a_configuration_error_that_hides_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        from_environment({"HTTPS_PROXY": url.replace("//", "//user:secret@")})
    assert "HTTPS_PROXY" in error.value.message
    assert "secret" not in error.value.message


def test_a_proxy_does_not_show_its_credentials() -> None:
    assert "dTpw" not in repr(ProxySettings(http=ProxyServer("proxy.test", 80, b"Basic dTpw")))


@pytest.mark.parametrize(
    ("entry", "host", "is_direct"),
    [
        ("*", "a.test", True),
        ("a.test", "a.test", True),
        ("a.test", "A.Test", True),
        ("a.test", "x.a.test", True),
        (".a.test", "a.test", True),
        ("a.test", "ba.test", False),
        ("a.test:443", "a.test", True),
        ("a.test:8443", "a.test", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("::1", "::1", True),
        ("[::1]:443", "::1", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("10.0.0.0/8", "a.test", False),
    ],
)
def test_hosts_reached_without_a_proxy(entry: str, host: str, is_direct: bool) -> None:
    settings = ProxySettings(https=PROXY, direct=(entry,))
    assert settings.proxy_for(Origin("https", host, 443)) == (None if is_direct else PROXY)
