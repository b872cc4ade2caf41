"""One request of a page: who asks, in which organization and language, what they sent, and what they may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from tollkeeper.control.administration import Action, Administration, Caller, Repetition
from tollkeeper.control.callable_models import ModelTables, first_model
from tollkeeper.control.people import People, Visit
from tollkeeper.control.usage_news import UsageNews
from tollkeeper.control.visits import PersonVisit
from tollkeeper.domain.access import Principal, decide
from tollkeeper.domain.account import Account
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied, TollkeeperError
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.tenancy import Organization, Place
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.parquet.writing import ParquetWriter
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.figures import Figures
from tollkeeper.web.languages import Language

P = ParamSpec("P")
T = TypeVar("T")

FORM_BYTES_MAX = 256 * 1024
FIELDS_MAX = 500
ONCE_LENGTH_MAX = 64


class Sent(Mapping[str, str]):
    """The fields of a form or query; a name that is not there is "", and of several the last one counts."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields
        self._last = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._last.get(name, "")

    def __iter__(self) -> Any:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Every field, in its order."""
        return [*self._fields]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field that is not empty."""
        return tuple(value for each, value in self._fields if each == name and value)

    def but(self, **changed: str) -> list[tuple[str, str]]:
        """Return the fields with others instead; an empty one is left out."""
        kept = [(name, value) for name, value in self._fields if name not in changed and value]
        return kept + [(name, value) for name, value in changed.items() if value]


def read_fields(data: bytes) -> Sent:
    """Read a form's body or a query.

    Raises:
        InvalidRequest: it is none, or too large.
    """
    if len(data) > FORM_BYTES_MAX:
        raise InvalidRequest("This is more than a form may hold.")
    try:
        fields = parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise InvalidRequest("This form cannot be read.") from None
    if any("\0" in name or "\0" in value for name, value in fields):
        raise InvalidRequest("A form must not hold the character U+0000.")
    return Sent([(name, value.replace("\r\n", "\n")) for name, value in fields])


class House(NamedTuple):
    """What all pages of a process lean on."""

    administration: Administration
    people: People
    news: UsageNews
    models: ModelTables | None
    parquet: ParquetWriter
    listening: Counter[str]
    """How many pages of each account listen now."""


class Visitor:
    """Who asks for a page. Without a session there is no `visit`."""

    def __init__(
        self, request: Request, house: House, *, visit: PersonVisit | None, language: Language, address: str
    ) -> None:
        self.request = request
        self.administration, self.people, self.news, self._models, self.parquet, self.listening = house
        self.visit, self.language, self.address = visit, language, address
        self.query = read_fields(request.scope["query_string"])
        self.form = Sent([])
        self.fault: TollkeeperError | None = None  # why what the form asked for was refused
        organization = visit.organization if visit else None
        self.figures = Figures(
            language,
            organization.timezone if organization else "UTC",
            organization.display_currency if organization else None,
        )
        self._ = catalogue_of(language).gettext

    @property
    def person(self) -> PersonVisit:
        """The signed-in person, on pages that are for one."""
        assert self.visit is not None, "the face lets nobody else in"
        return self.visit

    @property
    def account(self) -> Account:
        return self.person.account

    @property
    def organization(self) -> Organization:
        found = self.person.organization
        assert found is not None, "the page's address names one"
        return found

    @property
    def principal(self) -> Principal:
        return self.person.principal

    @property
    def models(self) -> ModelTables:
        """What models are looked up in.

        Raises:
            NotFound: nothing of it is wired here.
        """
        if self._models is None:
            raise NotFound("Nothing is known of models here.")
        return self._models

    @property
    def first_model(self) -> str | None:
        """A model to make a first call with; None while no provider is set up."""
        return None if self._models is None else first_model(self._models, self.organization.id)

    @property
    def home(self) -> str:
        """The address that all pages of the organization begin with."""
        return f"/{self.organization.id}"

    @property
    def path(self) -> Mapping[str, str]:
        """The parts of the address that its pattern names."""
        found: Mapping[str, str] = self.request.path_params
        return found

    def may(self, permission: str) -> bool:
        """Tell whether the person has a permission anywhere in the organization: what pages offer goes by it."""
        assert permission in PERMISSIONS, permission
        return any(permission in grant.permissions for grant in self.principal.grants)

    @property
    def whole(self) -> Place:
        """The place that is the whole organization."""
        return Place(self.organization.id)

    def may_at(self, permission: str, place: Place) -> bool:
        """Tell whether the person has a permission at a place."""
        return decide(self.principal, permission, place).is_allowed

    def caller(self, *, once: str = "") -> Caller:
        """Return the person as who asks; `once` makes a repeated form bring about what the first one did."""
        repetition = None
        if once and len(once) <= ONCE_LENGTH_MAX and once.isalnum():
            sent = msgspec.json.encode([self.request.url.path, self.form.but(csrf="")])
            repetition = Repetition(f"form-{once}", keyed_digest(self.administration.secrets.pepper, sent))
        return Caller(self.principal, self.address, self.request.state.request_id, repetition)

    def stranger(self) -> Visit:
        """Return the visit of somebody who is not signed in yet."""
        agent = self.request.headers.get("user-agent", "")
        return Visit(self.address, agent, self.request.state.request_id)

    def typed(self, does: str, field: str, stored: T) -> str | T:
        """Return what a field of a form holds: what was typed when just this form was refused, else what is stored."""
        return self.form[field] if self.fault is not None and self.form["do"] == does else stored

    async def look(self, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case that only reads. Raises: what it refuses."""
        return await self.administration.look(self.caller(), step, *args, **kwargs)

    async def look_if(
        self, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Run a use case that only reads; None when the person may not see it."""
        try:
            return await self.look(step, *args, **kwargs)
        except PermissionDenied:
            return None

    async def change(
        self, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case that changes something, once per form. Raises: what it refuses."""
        return await self.administration.change(self.caller(once=self.form["once"]), step, *args, **kwargs)

    @property
    def csrf(self) -> str:
        """What a form of the same sign-in carries, so that no other site can send one."""
        return keyed_digest(self.administration.secrets.pepper, b"form\0" + self.person.session_digest).hex()
