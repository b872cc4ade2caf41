"""ID tokens that are not what they should be are refused, each for its own reason."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from own_issuer import CLIENT_ID, KEY, OTHER_KEY, OwnIssuer, public

from tollkeeper.domain.errors import LoginFailed
from tollkeeper.identity import id_token
from tollkeeper.identity.issuers import Issuer, microsoft
from tollkeeper.identity.oidc import OidcClient

DIRECTORY = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
OTHER_DIRECTORY = "82229342-1101-4ab6-817b-70c0747630f3"
NOW_S = int(time.time())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _segment(value: object) -> str:
    return _unpadded(json.dumps(value).encode())


def _by_hand(head: str, payload: str) -> str:
    """Sign what the library would not."""
    assert KEY.private_key is not None
    return f"{head}.{payload}.{_unpadded(KEY.private_key.sign(f'{head}.{payload}'.encode(), PKCS1v15(), SHA256()))}"


async def _refused(own: OwnIssuer, reason: str, **claims: Any) -> None:
    own.claims = claims
    with pytest.raises(LoginFailed, match=reason):
        await own.log_in()


async def test_right_token_names_who_logged_in(own: OwnIssuer) -> None:
    identity = await own.log_in()
    assert (identity.issuer, identity.subject, identity.email) == (own.url, "248289761001", "kim@example.com")
    assert identity.is_email_verified
    assert identity.name == "Kim"


@pytest.mark.parametrize("nonce", ["another", "", None, 7, ["x"]])
async def test_token_of_another_login_is_refused(own: OwnIssuer, nonce: object) -> None:
    await _refused(own, "belongs to another login", nonce=nonce)


@pytest.mark.parametrize("audience", ["another-client", ["another-client"], [], None, 7])
async def test_token_for_another_application_is_refused(own: OwnIssuer, audience: object) -> None:
    await _refused(own, "meant for another application", aud=audience)


@pytest.mark.parametrize("party", [None, "another-client"])
async def test_token_for_several_applications_must_be_given_to_us(own: OwnIssuer, party: str | None) -> None:
    await _refused(own, "given to another application", aud=[CLIENT_ID, "another-client"], azp=party)


async def test_token_for_several_applications_that_was_given_to_us_is_accepted(own: OwnIssuer) -> None:
    own.claims = {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID}
    assert (await own.log_in()).subject == "248289761001"


async def test_token_given_to_another_application_is_refused(own: OwnIssuer) -> None:
    await _refused(own, "given to another application", azp="another-client")


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None, 7])
async def test_token_of_another_issuer_is_refused(own: OwnIssuer, issuer: object) -> None:
    await _refused(own, "names another issuer", iss=issuer)


@pytest.mark.parametrize(
    "expires", [NOW_S - 61, -1, None, "tomorrow", True], ids=["61 s ago", "-1", "none", "text", "bool"]
)
async def test_expired_token_is_refused(own: OwnIssuer, expires: object) -> None:
    await _refused(own, "has expired", exp=expires)


async def test_not_yet_valid_token_is_refused(own: OwnIssuer) -> None:
    await _refused(own, "not valid yet", nbf=int(time.time()) + 120)


async def test_token_from_the_future_is_refused(own: OwnIssuer) -> None:
    await _refused(own, "issued in the future", iat=int(time.time()) + 120)


async def test_clocks_may_differ_by_a_minute(own: OwnIssuer) -> None:
    now = int(time.time())
    own.claims = {"exp": now - 30, "iat": now + 30, "nbf": now + 30}
    assert (await own.log_in()).subject == "248289761001"


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256])
async def test_token_without_a_subject_is_refused(own: OwnIssuer, subject: object) -> None:
    await _refused(own, "does not say who", sub=subject)


async def test_token_with_a_bad_signature_is_refused(own: OwnIssuer) -> None:
    own.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHER_KEY)
    await _refused(own, "signature is not valid")


async def test_token_whose_claims_were_changed_is_refused(own: OwnIssuer) -> None:
    def changed(claims: dict[str, Any]) -> str:
        head, _, signature = jwt.encode({"alg": "RS256", "kid": "first"}, claims, KEY).split(".")
        return f"{head}.{_segment(claims | {'sub': 'admin'})}.{signature}"

    own.sign = changed
    await _refused(own, "signature is not valid")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_unsigned_token_is_refused(own: OwnIssuer, algorithm: str) -> None:
    own.sign = lambda claims: f"{_segment({'alg': algorithm, 'kid': 'first'})}.{_segment(claims)}."
    await _refused(own, "not signed, or in a way")


async def test_token_signed_with_the_public_key_as_a_secret_is_refused(own: OwnIssuer) -> None:
    def signed(claims: dict[str, Any]) -> str:
        text = f"{_segment({'alg': 'HS256', 'kid': 'first'})}.{_segment(claims)}"
        return f"{text}.{_unpadded(hmac.digest(KEY.as_pem(private=False), text.encode(), 'sha256'))}"

    own.sign = signed
    await _refused(own, "not signed, or in a way")


async def test_published_secret_is_no_key(own: OwnIssuer) -> None:
    secret = OctKey.generate_key(256, {"kid": "first"})
    own.published = {"keys": [secret.as_dict(private=True)]}
    await _refused(own, "key that its issuer does not publish")


@pytest.mark.filterwarnings("ignore")
async def test_weak_key_is_not_used(own: OwnIssuer) -> None:
    weak = RSAKey.generate_key(1024, {"kid": "first"})
    own.published = public(weak)
    own.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, weak)
    await _refused(own, "key that its issuer does not publish")


async def test_key_for_encryption_is_not_used(own: OwnIssuer) -> None:
    own.published = public(KEY, use="enc")
    await _refused(own, "key that its issuer does not publish")


async def test_key_of_another_algorithm_is_not_used(own: OwnIssuer) -> None:
    own.published = public(KEY, alg="RS512")
    await _refused(own, "key that its issuer does not publish")


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("PS256", RSAKey.generate_key(2048, {"kid": "k"})),
        ("ES256", ECKey.generate_key("P-256", {"kid": "k"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "k"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "k"})),
    ],
    ids=["PS256", "ES256", "ES384", "Ed25519"],
)
async def test_other_asymmetric_signatures_are_accepted(own: OwnIssuer, algorithm: str, key: RSAKey) -> None:
    own.published = public(OTHER_KEY, key)
    own.sign = lambda claims: jwt.encode({"alg": algorithm, "kid": "k"}, claims, key, algorithms=[algorithm])
    assert (await own.log_in()).subject == "248289761001"


async def test_token_that_names_no_key_is_accepted_when_there_is_one_only(own: OwnIssuer) -> None:
    own.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, KEY)
    assert (await own.log_in()).subject == "248289761001"
    own.published = public(KEY, OTHER_KEY)
    await _refused(own, "key that its issuer does not publish")


async def test_unknown_header_parameters_are_no_fault(own: OwnIssuer) -> None:
    header = {"alg": "RS256", "kid": "first", "pi.atm": "1"}
    own.sign = lambda claims: _by_hand(_segment(header), _segment(claims))
    assert (await own.log_in()).subject == "248289761001"


@pytest.mark.parametrize("critical", [["exp2"], "exp2", [7]])
async def test_critical_header_that_is_not_understood_is_refused(own: OwnIssuer, critical: object) -> None:
    header = {"alg": "RS256", "kid": "first", "crit": critical, "exp2": 1}
    own.sign = lambda claims: _by_hand(_segment(header), _segment(claims))
    await _refused(own, "signature is not valid|malformed")


# Microsoft: one document, an issuer for each directory


def _microsoft(own: OwnIssuer, **more: Any) -> OidcClient:
    preset = microsoft(client_id=CLIENT_ID, client_secret="x", **more)
    token_issuer = own.url + "/{tenantid}/v2.0"
    fields = {name: getattr(preset, name) for name in preset.__struct_fields__}
    own.metadata = {"issuer": token_issuer}
    own.published = public(KEY, issuer=token_issuer)
    return OidcClient([Issuer(**fields | {"name": "own", "issuer": own.url, "token_issuer": token_issuer})])


async def test_directory_of_the_token_stands_in_the_issuer(own: OwnIssuer) -> None:
    client = _microsoft(own)
    own.claims = {"iss": f"{own.url}/{DIRECTORY}/v2.0", "tid": DIRECTORY, "email_verified": None}
    identity = await own.log_in(client)
    assert identity.issuer == f"{own.url}/{DIRECTORY}/v2.0"
    assert not identity.is_email_verified  # any admin of any directory may have written it
    own.claims["xms_edov"] = True
    assert (await own.log_in(client)).is_email_verified


@pytest.mark.parametrize("directory", [OTHER_DIRECTORY, None, "{tenantid}", "organizations", f"x/{DIRECTORY}", 7])
async def test_token_whose_directory_is_not_in_its_issuer_is_refused(own: OwnIssuer, directory: object) -> None:
    client = _microsoft(own)
    own.claims = {"iss": f"{own.url}/{DIRECTORY}/v2.0", "tid": directory}
    with pytest.raises(LoginFailed, match="names another issuer"):
        await own.log_in(client)


@pytest.mark.parametrize("directory", ["organizations", "{tenantid}", f"{DIRECTORY}/x", ""])
async def test_directory_that_is_no_guid_is_refused(own: OwnIssuer, directory: str) -> None:
    client = _microsoft(own)
    own.claims = {"iss": f"{own.url}/{directory}/v2.0", "tid": directory}
    with pytest.raises(LoginFailed, match="names another issuer"):
        await own.log_in(client)


@pytest.mark.parametrize("key_issuer", [f"/{OTHER_DIRECTORY}/v2.0", None])
async def test_key_of_another_directory_is_not_accepted(own: OwnIssuer, key_issuer: str | None) -> None:
    client = _microsoft(own)
    own.published = public(KEY, issuer=own.url + key_issuer) if key_issuer else public(KEY)
    own.claims = {"iss": f"{own.url}/{DIRECTORY}/v2.0", "tid": DIRECTORY}
    with pytest.raises(LoginFailed, match="key of another issuer"):
        await own.log_in(client)


# Whatever comes, nothing but a refusal leaves

_ISSUER = Issuer(name="x", issuer="https://issuer.example", client_id=CLIENT_ID)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "nonce", "azp", "tid"]), _JSON)


@given(claims=_CLAIMS)
@settings(max_examples=80, deadline=None)
def test_any_signed_claims_are_refused_in_order(claims: dict[str, Any]) -> None:
    token = jwt.encode({"alg": "RS256"}, claims, KEY)
    with pytest.raises(LoginFailed):
        id_token.verify(token, KEY, _ISSUER, nonce="n", now_s=NOW_S)


@given(text=st.text(max_size=60) | st.builds(lambda *parts: ".".join(map(_segment, parts)), _JSON, _JSON, _JSON))
@settings(max_examples=80, deadline=None)
def test_any_text_as_a_token_is_refused_in_order(text: str) -> None:
    with pytest.raises(LoginFailed):
        id_token.find_key(text, KeySet([KEY]))


@given(
    keys=st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "kid", "n", "e", "crv", "x", "y", "use"]),
            _JSON | st.sampled_from(["RSA", "EC", "OKP", "P-256", "AQAB"]),
        )
    )
)
@settings(max_examples=80, deadline=None)
def test_any_keys_are_read_or_passed_over(keys: list[Any]) -> None:
    assert isinstance(id_token.read_keys({"keys": keys}), KeySet)


def test_deeply_nested_claims_are_refused_in_order() -> None:
    token = _by_hand(_segment({"alg": "RS256"}), _unpadded(b'{"a":' + b"[" * 50_000))
    with pytest.raises(LoginFailed):
        id_token.verify(token, KEY, _ISSUER, nonce="n", now_s=NOW_S)
