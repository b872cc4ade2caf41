"""What an organization may say of a provider: names, secrets, and addresses that can be public ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.provider_credential import check_base_url, check_kind, check_name, check_secret, hint_of
from tollkeeper.gateway.targets import origin_of

GOOD = {
    "https://api.openai.com/v1": "https://api.openai.com/v1",
    "https://api.openai.com/v1/": "https://api.openai.com/v1",
    "https://API.OpenAI.com": "https://api.openai.com",
    "https://api.openai.com:443/v1": "https://api.openai.com/v1",
    "https://llm.acme.example:8443/a/b-c_d~e.f": "https://llm.acme.example:8443/a/b-c_d~e.f",
    "https://8.8.8.8/v1": "https://8.8.8.8/v1",
    "https://[2606:4700::1111]:8443/v1": "https://[2606:4700::1111]:8443/v1",
}
BAD = [
    "http://api.openai.com/v1",
    "ftp://api.openai.com/v1",
    "//api.openai.com/v1",
    "api.openai.com/v1",
    "https://",
    "https:///v1",
    "https://user@api.openai.com/v1",
    "https://user:password@api.openai.com/v1",
    "https://api.openai.com@evil.test/v1",
    "https://api.openai.com\\@evil.test/v1",
    "https://api.openai.com/v1?x=1",
    "https://api.openai.com/v1?",
    "https://api.openai.com/v1#x",
    "https://api.openai.com/v1#",
    "https://api.openai.com:0/v1",
    "https://api.openai.com:65536/v1",
    "https://api.openai.com:/v1",
    "https://api.openai.com:x/v1",
    "https://api.openai.com/../admin",
    "https://api.openai.com/./v1",
    "https://api.openai.com/%2e%2e/admin",
    "https://api.openai.com//v1",
    "https://api.openai.com/v1\r\nx-evil: 1",
    "https://api.openai.com/v 1",
    "https://api.openai.com/v1\t",
    "https://api.openai.com/vé",
    "https://аpi.openai.com/v1",
    "https://localhost/v1",
    "https://x.localhost/v1",
    "https://metadata/v1",
    "https://api.openai.com./v1",
    "https://-x.test/v1",
    "https://x_y.test/v1",
    f"https://{'x' * 64}.test/v1",
    "https://127.0.0.1/v1",
    "https://127.1/v1",
    "https://2130706433/v1",
    "https://0x7f000001/v1",
    "https://0x7f.1/v1",
    "https://0177.0.0.1/v1",
    "https://010.0.0.1/v1",
    "https://0/v1",
    "https://0.0.0.0/v1",
    "https://10.0.0.5/v1",
    "https://172.16.0.1/v1",
    "https://192.168.1.1/v1",
    "https://169.254.169.254/latest",
    "https://100.64.0.1/v1",
    "https://224.0.0.1/v1",
    "https://255.255.255.255/v1",
    "https://[::1]/v1",
    "https://[::]/v1",
    "https://[::ffff:127.0.0.1]/v1",
    "https://[::ffff:a00:1]/v1",
    "https://[64:ff9b::a00:1]/v1",
    "https://[2002:a00:1::]/v1",
    "https://[fe80::1]/v1",
    "https://[fe80::1%25eth0]/v1",
    "https://[fd00::1]/v1",
    "https://[::1/v1",
    "https://" + "x." * 130 + "test/v1",
    "https://x.test/" + "v" * 600,
]


@pytest.mark.parametrize(("given_url", "kept"), GOOD.items())
def test_a_public_address_is_kept_in_its_plain_form(given_url: str, kept: str) -> None:
    assert check_base_url(given_url, "openai_compatible") == kept
    assert check_base_url(kept, "openai_compatible") == kept
    assert origin_of(kept, is_guarded=True).scheme == "https"


@pytest.mark.parametrize("base_url", BAD)
def test_an_address_that_can_never_be_right_is_refused(base_url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_base_url(base_url, "openai")
    assert refused.value.param == "base_url"


@given(st.text(max_size=60))
def test_whatever_is_written_is_refused_or_names_a_plain_https_origin(text: str) -> None:
    for url in (text, f"https://{text}", f"https://x.test/{text}"):
        try:
            kept = check_base_url(url, "openai")
        except InvalidRequest:
            continue
        origin = origin_of(kept)
        assert (origin.scheme, kept.isascii(), kept.isprintable()) == ("https", True, True)
        assert 0 < origin.port < 65536


def test_a_kind_has_its_usual_place_or_needs_one() -> None:
    assert check_base_url(None, "openai") == "https://api.openai.com/v1"
    with pytest.raises(InvalidRequest, match="needs its base_url"):
        check_base_url(None, "openai_compatible")


@pytest.mark.parametrize("kind", ["", "OpenAI", "mystery"])
def test_a_kind_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="is no kind of provider"):
        check_kind(kind)


@pytest.mark.parametrize("name", ["", "OpenAI", "a/b", "../x", ".x", "-x", "x y", "x\n", "é", "x" * 64])
def test_a_name_that_could_not_stand_in_a_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_name(name)


@pytest.mark.parametrize(
    "secret", ["", "short", "with space in", "line\r\nx-evil: 1", "nul\0secret", "ключ-секрет", "x" * 4097]
)
def test_a_secret_that_no_header_could_carry_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_secret(secret)
    assert not secret or secret not in refused.value.message


def test_only_a_long_secret_is_hinted_at() -> None:
    assert hint_of("x" * 15 + "abcd") == ""
    assert hint_of("x" * 16 + "abcd") == "abcd"
