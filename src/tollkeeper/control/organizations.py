"""Organizations and projects, as the commands name them."""

from __future__ import annotations

from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.tenancy import Organization, Project
from tollkeeper.store import organizations, projects
from tollkeeper.store.engine import Store


async def choose_organization(store: Store, named: str | None) -> Organization:
    """Return the organization of this id or name, or the only one there is.

    Raises:
        InvalidRequest: there are several and none was named.
        NotFound: there is none of this id or name.
    """
    known = await store.read(organizations.list_organizations)
    if named is not None:
        found = [each for each in known if named in {each.id, each.name}]
        if not found:
            raise NotFound(f"There is no organization '{named}'.")
        return found[0]
    if not known:
        raise NotFound("There is no organization yet; make one with: tollkeeper init --org NAME")
    if len(known) > 1:
        names = ", ".join(each.name for each in known[:5])
        raise InvalidRequest(f"There are several organizations ({names}); say which with --org.")
    return known[0]


async def choose_project(store: Store, organization_id: str, named: str) -> Project:
    """Return the organization's project of this id or name.

    Raises:
        NotFound: it has none.
    """
    found = await store.read(lambda connection: projects.get_project(connection, organization_id, named))
    found = found or await store.read(lambda connection: projects.find_project(connection, organization_id, name=named))
    if found is None:
        raise NotFound(f"There is no project '{named}' in this organization.")
    return found


async def project_names(store: Store, organization_id: str) -> dict[str, str]:
    """Return the names of an organization's projects by their ids."""
    found: list[Project] = []
    while True:
        after = found[-1].id if found else None
        page = await store.read(
            lambda connection, after=after: projects.list_projects(  # type: ignore[misc]
                connection, organization_id, after=after
            )
        )
        found += page
        if len(page) < 100:
            return {each.id: each.name for each in found}
