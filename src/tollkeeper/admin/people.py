"""What the routes of accounts share: the application's people, who visits, how an account is shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import Field

from tollkeeper.admin.callers import CallerFinder, session_token
from tollkeeper.admin.shapes import Shape, shown_time
from tollkeeper.control.people import People, Visit
from tollkeeper.domain.account import EMAIL_LENGTH_MAX, Account
from tollkeeper.domain.errors import PermissionDenied

Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=EMAIL_LENGTH_MAX,
        examples=["jimin@example.com"],
        json_schema_extra={"format": "email"},
    ),
]
Password = Annotated[str, Field(min_length=1, max_length=1024, examples=["three quiet rivers"])]
LinkToken = Annotated[str, Field(min_length=1, max_length=100, description="What the link of the e-mail carries.")]
Language = Literal["en", "ko"]


class AccountAnswer(Shape):
    object: Literal["account"]
    id: str
    email: str
    name: str
    language: Language
    email_verified: bool
    has_password: bool
    created_at: str


def people_of(request: Request) -> People:
    """Return the application's people."""
    found: People = request.app.state.people
    return found


def visit_of(request: Request) -> Visit:
    """Return who visits, behind trusted proxies as they saw it."""
    finder: CallerFinder = request.app.state.callers
    return Visit(finder.address_of(request), request.headers.get("user-agent", ""), request.state.request_id)


def token_of(request: Request) -> str:
    """Return the token of the session that a request was let in by.

    Raises:
        PermissionDenied: it was let in by an API key.
    """
    token = session_token(request, dict(request.scope["headers"]))
    if token is None:
        raise PermissionDenied("This is for people who are logged in; an API key cannot do it.")
    return token


def set_cookie(response: Response, people: People, name: str, value: str, *, max_age_s: int, path: str) -> None:
    """Have the browser keep something that no script reads and no other site's request brings along."""
    response.set_cookie(name, value, **people.rules.cookie(max_age_s=max_age_s, path=path))


def shown_account(account: Account) -> dict[str, Any]:
    """Return an account as it is answered."""
    return {
        "object": "account",
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "language": account.language,
        "email_verified": account.email_verified_at_us is not None,
        "has_password": account.has_password,
        "created_at": shown_time(account.created_at_us),
    }
