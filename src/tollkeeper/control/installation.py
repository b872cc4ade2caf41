"""Setting an installation up: the pepper that its keys are digested with, and its first organization."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tollkeeper.control.administration import Action, Secrets, operator
from tollkeeper.control.api_keys import NewApiKey, create_admin_key, create_service_key
from tollkeeper.control.names import check_name
from tollkeeper.control.organizations import create_organization
from tollkeeper.domain.credit import Trial
from tollkeeper.domain.errors import ConfigurationError, Conflict
from tollkeeper.domain.tenancy import Organization, Project
from tollkeeper.domain.tier import ENTERPRISE, Tier
from tollkeeper.kit.secret_sources import SecretUnavailable, read_command
from tollkeeper.kit.secrets import PEPPER_BYTES, create_pepper, fingerprint, read_pepper
from tollkeeper.store import audit, installation, organizations
from tollkeeper.store.engine import Connection, Store


class PepperSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the settings say that the pepper is: a text wins over a command, and that over a file."""

    path: Path
    text: str = ""
    command: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PepperSource({self.path})"


class Initialized(msgspec.Struct, frozen=True):
    """A new organization with its first keys, which are shown once."""

    organization: Organization
    project: Project
    admin_key: NewApiKey
    project_key: NewApiKey


def load_pepper(*, text: str, path: Path, command: tuple[str, ...] = ()) -> bytes:
    """Return the pepper from the settings: given as text, else printed by a command, else from its file.

    Raises:
        ConfigurationError: what is asked for it holds no pepper.
    """
    try:
        if not text and command:
            text = read_command(command, setting="keys.pepper")
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
    except SecretUnavailable as error:
        raise ConfigurationError(str(error)) from None
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


async def initialize(
    store: Store,
    *,
    name: str,
    timezone: str,
    pepper: PepperSource,
    trial: Trial = Trial(),  # noqa: B008  # frozen
    tier: Tier = ENTERPRISE,
) -> Initialized:
    """Create an organization, its default project, an administration key and a project key; make the pepper if needed.

    Raises:
        Conflict: there is an organization of this name.
        ConfigurationError: the database has keys, but their pepper is not to be found.
    """
    name = check_name(name)
    known = await store.read(installation.get_installation)
    is_elsewhere = bool(pepper.text or pepper.command)
    if known is None and not is_elsewhere and not pepper.path.exists():  # a command, not a server
        create_pepper(pepper.path)
    secret = load_pepper(text=pepper.text, path=pepper.path, command=pepper.command)
    await check_pepper(store, secret)
    if any(existing.name == name for existing in await store.read(organizations.list_organizations)):
        raise Conflict(f"There is an organization '{name}' already. `tollkeeper keys create` makes further keys.")

    secrets = Secrets.of(secret)

    async def create(connection: Connection) -> Initialized:
        if known is None:
            await installation.create_installation(connection, pepper_fingerprint=fingerprint(secret))
        name_of_caller = "tollkeeper init"
        founder = Action(connection, operator("", name=name_of_caller), secrets)
        founded = await create_organization(
            founder, name=name, timezone=timezone, is_open=False, trial=trial, tier=tier
        )
        organization, project = founded.organization, founded.project
        action = Action(connection, operator(organization.id, name=name_of_caller), secrets)
        admin_key = await create_admin_key(action, name="admin")
        project_key = await create_service_key(action, project_id=project.id, name="default")
        await audit.append_events(connection, organization.id, action.events, key=secrets.audit_key)
        return Initialized(organization, project, admin_key, project_key)

    return await store.write(create)
