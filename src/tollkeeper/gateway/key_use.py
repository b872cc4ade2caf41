"""The key as one call uses it: in the organization and project that its headers choose, from where it comes."""

from __future__ import annotations

from tollkeeper.domain.access import authorise
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import MismatchedOrganization
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.gateway.client import Client
from tollkeeper.kit.networks import Networks, client_address


def key_in_use(key: ApiKey, client: Client, permission: str, trusted_proxies: Networks) -> ApiKey:
    """Return the key as a call uses it that asks for `permission`. Headers choose; they never widen what it may.

    Raises:
        MismatchedOrganization: OpenAI-Organization names another organization than the key's.
        MismatchedProject: OpenAI-Project names a project that it is not for.
        AddressNotAllowed: it may not be used from there.
        PermissionDenied: it does not have the permission, in that project.
    """
    headers = client.headers
    organization_id = headers.get(b"openai-organization")
    project_id = headers.get(b"openai-project")
    if organization_id and organization_id != key.organization_id.encode():
        raise MismatchedOrganization("The header OpenAI-Organization names another organization than this API key's.")
    if key.terms is not None:
        _check_address(key.terms, client, trusted_proxies)
    if project_id and key.project_id:  # an administration key has none; it is told that it cannot call models
        key = key.in_project(project_id.decode("latin-1"))
    authorise(key, permission)
    return key


def _check_address(terms: KeyTerms, client: Client, trusted_proxies: Networks) -> None:
    if not terms.allowed_ips:
        return
    peer = client.scope.get("client")
    forwarded = [value for name, value in client.scope["headers"] if name == b"x-forwarded-for"]
    terms.check_address(client_address(str(peer[0]) if peer else "", forwarded, trusted_proxies))
