"""The filters of a page as people read them: each with its title and the name of what it lets in, and the way to take it away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

import msgspec

from tollkeeper.control import api_keys, members, projects, teams
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.web.visitor import Visitor

SHOWN_MAX = 30
"""Filters that a page shows, and looks the names up of: each name is looked up by itself."""
_ADDRESS_MAX = 4096
"""Of a longer address no filter is taken away alone: each of their links is nearly as long as the address."""


class Chip(msgspec.Struct, frozen=True):
    """A filter that holds; `without` is the address of the page without it, "" where there are too many for that."""

    word: str
    value: str
    title: str
    name: str
    without: str


async def chips_of(visitor: Visitor, titles: Mapping[str, str], *, leaves: Iterable[str] = ()) -> list[Chip]:
    """Return the filters in the address of a page; `titles` are of their words. Fields that it `leaves` are not taken along."""
    found = [(word, value) for word in titles for value in dict.fromkeys(visitor.query.all(word))]
    left = set(leaves)
    kept = [(name, value) for name, value in visitor.query.fields if value and name not in left]
    are_few = len(found) <= SHOWN_MAX
    has_links = are_few and len(visitor.request.scope["query_string"]) <= _ADDRESS_MAX
    return [
        Chip(
            word,
            value,
            visitor._(titles[word]),
            await _name_of(visitor, word, value) if are_few else value,
            f"?{urlencode([each for each in kept if each != (word, value)])}" if has_links else "",
        )
        for word, value in found
    ]


async def _name_of(visitor: Visitor, word: str, value: str) -> str:
    """Return a name for who may see it; else what the address says."""
    try:
        match word:
            case "project":
                return (await visitor.look(projects.get_project, value)).project.name
            case "team":
                return (await visitor.look(teams.get_team, value)).name
            case "key":
                return (await visitor.look(api_keys.get_key, value)).name
            case "member":
                member = (await visitor.look(members.get_member, value)).member
                return member.name or member.email
            case _:
                return value
    except (NotFound, PermissionDenied, InvalidRequest):
        pass
    return value
