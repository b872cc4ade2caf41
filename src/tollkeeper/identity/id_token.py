"""What an ID token must be before it is believed: signed by a key of its issuer, meant for us, for this login, for now."""

from __future__ import annotations

import hmac
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws, jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet, RSAKey

from tollkeeper.domain.errors import LoginFailed
from tollkeeper.identity.issuers import GUID, Issuer, for_directory

LEEWAY_S = 60
KEYS_MAX = 100
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 16_384
SUBJECT_CHARACTERS_MAX = 255
TOKEN_CHARACTERS_MAX = 100_000

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
"""Signatures by a private key only: neither `none` nor those whose secret is what everybody can fetch."""

_REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
_MALFORMED = (JoseError, ValueError, TypeError, LookupError, OverflowError, RecursionError, UnsupportedAlgorithm)
_WRONG_CLAIMS = {
    "iss": "names another issuer",
    "aud": "is meant for another application",
    "sub": "does not say who logged in",
    "exp": "has expired",
    "nbf": "is not valid yet",
    "iat": "was issued in the future",
    "nonce": "belongs to another login",
}


def read_keys(document: dict[str, Any]) -> KeySet:
    """Return the keys of a JWK Set that can verify signatures; what cannot be used is passed over (RFC 7517, 5).

    Raises:
        LoginFailed: the document is no JWK Set, or too large a one.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise LoginFailed(f"The identity provider's keys cannot be read: a list of at most {KEYS_MAX} is expected.")
    return KeySet([key for each in listed if (key := _read_key(each)) is not None])


def find_key(token: str, keys: KeySet) -> Key | None:
    """Return the key that a token says it is signed with, None when it is not among these.

    Raises:
        LoginFailed: the token is malformed or signed in a way that is not accepted.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise LoginFailed("The ID token is too long.")
    try:
        header = jws.extract_compact(token.encode(), None, _REGISTRY).headers()
    except _MALFORMED:
        raise LoginFailed("The ID token is malformed.") from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise LoginFailed("The ID token is not signed, or in a way that is not accepted.")
    try:
        return keys.get_by_kid(header.get("kid"), {"alg": algorithm, "use": "sig"})
    except InvalidKeyIdError:
        return None


def verify(token: str, key: Key, issuer: Issuer, *, nonce: str, now_s: int) -> dict[str, Any]:
    """Return the claims of a token after every check that a code flow asks for.

    Raises:
        LoginFailed: the message says which check failed.

    Source: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation, 2026-11-22.
    """
    try:
        claims = jwt.decode(token, key, registry=_REGISTRY).claims
    except _MALFORMED:
        raise LoginFailed("The ID token's signature is not valid.") from None
    expected_issuer = _expected_issuer(claims, key, issuer)
    required = jwt.JWTClaimsRegistry(
        now=now_s,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected_issuer},
        aud={"essential": True, "value": issuer.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        required.validate(claims)
    except ClaimError as error:
        raise _wrong(error.claim) from None
    except (TypeError, ValueError, OverflowError):
        raise LoginFailed("The ID token's claims cannot be read.") from None
    if not _is_same(claims.get("nonce"), nonce):
        raise _wrong("nonce")
    if len(claims["sub"]) > SUBJECT_CHARACTERS_MAX:
        raise _wrong("sub")
    _check_authorized_party(claims, issuer)
    return claims


def _read_key(described: object) -> Key | None:
    if not isinstance(described, dict) or described.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        key = JWKRegistry.import_key(described)
    except _MALFORMED:
        return None
    if isinstance(key, RSAKey) and not RSA_BITS_MIN <= key.public_key.key_size <= RSA_BITS_MAX:
        return None
    return key


def _expected_issuer(claims: dict[str, Any], key: Key, issuer: Issuer) -> str:
    """Return what `iss` must be; with Microsoft's `{tenantid}` the token's `tid` decides, and the key must be for it.

    Source: https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-signing-key-issuer,
    2026-11-22.
    """
    if not issuer.is_for_any_directory:
        return issuer.documented_issuer
    directory_id = claims.get("tid")
    if not isinstance(directory_id, str) or not GUID.fullmatch(directory_id):
        raise _wrong("iss")
    expected = for_directory(issuer.documented_issuer, directory_id)
    key_issuer = key.get("issuer")
    if not isinstance(key_issuer, str) or for_directory(key_issuer, directory_id) != expected:
        raise LoginFailed("The ID token is signed with a key of another issuer.")
    return expected


def _check_authorized_party(claims: dict[str, Any], issuer: Issuer) -> None:
    """Refuse a token that was given to another application, or may have been."""
    has_others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (has_others or "azp" in claims) and claims.get("azp") != issuer.client_id:
        raise LoginFailed("The ID token was given to another application.")


def _is_same(claim: object, expected: str) -> bool:
    return isinstance(claim, str) and hmac.compare_digest(claim.encode(errors="replace"), expected.encode())


def _wrong(claim: str) -> LoginFailed:
    """Describe the first claim at fault; what is missing comes as a list."""
    first = claim.partition(",")[0]
    return LoginFailed(f"The ID token {_WRONG_CLAIMS.get(first, 'has a claim that is not accepted')}.")
