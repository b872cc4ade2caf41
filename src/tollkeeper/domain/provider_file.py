"""A file that lies at a provider, and whose it is: the organization and project of the key that sent it."""

from __future__ import annotations

import msgspec


class ProviderFile(msgspec.Struct, frozen=True):
    """What is known of it without asking the provider.

    `id` is the provider's own. `credential_id` tells whose account it lies in; "" is the operator's, which organizations
    share. `expires_at_us` is when the provider removes it, None where it said nothing of it.
    """

    organization_id: str
    project_id: str
    id: str
    provider: str
    credential_id: str
    purpose: str
    bytes: int
    filename: str
    created_at_us: int
    expires_at_us: int | None = None


class FileQuestion(msgspec.Struct, frozen=True):
    """Which files of a project are asked for. `after` is the id of the file before the first one; "" begins the list."""

    organization_id: str
    project_id: str
    purpose: str = ""  # "" is any
    after: str = ""
    limit: int = 10_000
    is_oldest_first: bool = False
