"""Whether the model that a budget is for is one that anybody knows: a budget for a slip of the pen stops no call.

Nothing here asks the database: routes and prices are in memory.
"""

from __future__ import annotations

from tollkeeper.control.callable_models import NAME_LENGTH_MAX, ModelTables, routes_of
from tollkeeper.control.own_prices import listed_book
from tollkeeper.kit.nearest import nearest


def is_known_name(tables: ModelTables, organization_id: str, name: str) -> bool:
    """Tell whether a provider here serves a model of this name, or it has a price, the organization's own or a list price.

    What a provider without list prices serves nobody can know.
    """
    if len(name) > NAME_LENGTH_MAX:
        return False
    table = tables.routes.of(organization_id)
    route = table.resolve(name)
    if route is not None and any(not each.is_unlisted or not each.provider.catalogue for each in route.deployments):
        return True
    book, listed = tables.prices.of(organization_id), listed_book()
    providers = {each.price_list for each in table.providers} | set(listed.providers())
    if any(book.find(each, name) is not None for each in providers):
        return True
    return any(name in each.model_names for each in routes_of(tables, organization_id))


def near_name(tables: ModelTables, organization_id: str, name: str) -> str:
    """Return the name of a model here that was probably meant by one that nobody knows; "" for none."""
    return nearest(name, (known for known, _provider in tables.routes.of(organization_id).names()))
