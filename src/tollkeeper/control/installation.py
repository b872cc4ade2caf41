"""Setting an installation up: the pepper that its keys are digested with, and its first organization."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tollkeeper.control.api_keys import NAME_LENGTH_MAX, NewApiKey, create_admin_key, create_project_key
from tollkeeper.domain.errors import ConfigurationError, Conflict, InvalidRequest
from tollkeeper.domain.tenancy import Organization, Project
from tollkeeper.kit.secrets import PEPPER_BYTES, create_pepper, fingerprint, read_pepper
from tollkeeper.store import installation, organizations, projects
from tollkeeper.store.engine import Store

DEFAULT_PROJECT = "default"


class Initialized(msgspec.Struct, frozen=True):
    """A new organization with its first keys, which are shown once."""

    organization: Organization
    project: Project
    admin_key: NewApiKey
    project_key: NewApiKey


def load_pepper(*, text: str, path: Path) -> bytes:
    """Return the pepper from the settings: given as text, else from its file.

    Raises:
        ConfigurationError: neither holds a pepper.
    """
    try:
        if text:
            pepper = bytes.fromhex(text)
            if len(pepper) != PEPPER_BYTES:
                raise ValueError(f"keys.pepper must be {PEPPER_BYTES * 2} hexadecimal digits")
            return pepper
        return read_pepper(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no pepper file {path}, so no API key can be checked. `tollkeeper init` makes one; "
            "for an existing database restore it from your backup."
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"The pepper cannot be read: {error}") from None


async def check_pepper(store: Store, pepper: bytes) -> None:
    """Pass when the keys of this database were made with this pepper.

    Raises:
        ConfigurationError: they were made with another, so every key would seem unknown.
    """
    known = await store.read(installation.get_installation)
    if known is not None and known.pepper_fingerprint != fingerprint(pepper):
        raise ConfigurationError(
            "The pepper is not the one that this database's API keys were made with "
            f"(fingerprint {fingerprint(pepper)}, expected {known.pepper_fingerprint}). Restore the right pepper file."
        )


async def initialize(store: Store, *, name: str, timezone: str, pepper_text: str, pepper_path: Path) -> Initialized:
    """Create an organization, its default project, an administration key and a project key; make the pepper if needed.

    Raises:
        Conflict: there is an organization of this name.
        ConfigurationError: the database has keys, but their pepper is not to be found.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidRequest(
            f"An organization's name must have 1 to {NAME_LENGTH_MAX} printable characters.", param="name"
        )
    known = await store.read(installation.get_installation)
    if known is None and not pepper_text and not pepper_path.exists():  # noqa: ASYNC240  # a command, not a server
        create_pepper(pepper_path)
    pepper = load_pepper(text=pepper_text, path=pepper_path)
    await check_pepper(store, pepper)
    if any(existing.name == name for existing in await store.read(organizations.list_organizations)):
        raise Conflict(f"There is an organization '{name}' already. `tollkeeper keys create` makes further keys.")

    async def create(connection: Any) -> tuple[Organization, Project]:
        if known is None:
            await installation.create_installation(connection, pepper_fingerprint=fingerprint(pepper))
        organization = await organizations.create_organization(connection, name, timezone=timezone)
        return organization, await projects.create_project(connection, organization.id, name=DEFAULT_PROJECT)

    organization, project = await store.write(create)
    return Initialized(
        organization,
        project,
        await create_admin_key(store, pepper, organization.id, name="admin"),
        await create_project_key(store, pepper, organization.id, project_id=project.id, name="default"),
    )
