"""/v1/account: what people who are logged in see and change of themselves: profile, password, sessions, organizations."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response

from tollkeeper.admin.people import AccountAnswer, Language, Password, people_of, shown_account, token_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import ListPage, Name, Shape, administration_of, answer, id_path, list_answer, shown_time
from tollkeeper.control import accounts, passwords, sessions
from tollkeeper.control.administration import Caller
from tollkeeper.control.people import as_person

router = APIRouter(tags=["accounts"])
Person = Annotated[Caller, Depends(requires("login"))]
SessionPath = Annotated[str, id_path("sess", "sess_0123456789ABCDEFGHIJ")]
_ALL = 1000


class AccountBody(Shape):
    name: Name | None = None
    language: Language | None = None


class PasswordBody(Shape):
    current: Password
    new: Password


class SessionAnswer(Shape):
    object: Literal["session"]
    id: str
    current: bool
    address: str
    agent: str
    created_at: str
    expires_at: str


class EndedAnswer(Shape):
    object: Literal["sessions.ended"]
    ended: int


class OwnOrganizationAnswer(Shape):
    object: Literal["organization"]
    id: str
    name: str
    timezone: str
    language: Language
    member_id: str
    joined_at: str


@router.get("/v1/account", response_model=AccountAnswer, summary="Get your account")
async def get_account(request: Request, caller: Person) -> Response:
    return answer(shown_account(await administration_of(request).look(as_person(caller), accounts.get_own_account)))


@router.put("/v1/account", response_model=AccountAnswer, summary="Change your name or language")
async def update_account(request: Request, body: AccountBody, caller: Person) -> Response:
    changed = await administration_of(request).change(
        as_person(caller), accounts.update_own_account, name=body.name, language=body.language
    )
    return answer(shown_account(changed))


@router.put("/v1/account/password", response_model=AccountAnswer, summary="Change your password")
async def change_password(request: Request, body: PasswordBody, caller: Person) -> Response:
    person = as_person(caller)
    await passwords.change_password(
        people_of(request), person, session_token=token_of(request), current=body.current, new=body.new
    )
    return answer(shown_account(await administration_of(request).look(person, accounts.get_own_account)))


@router.get("/v1/account/sessions", response_model=ListPage[SessionAnswer], summary="List your sessions")
async def list_sessions(request: Request, caller: Person) -> Response:
    found, current = await administration_of(request).look(
        as_person(caller), sessions.list_own_sessions, token=token_of(request)
    )
    return list_answer(
        found,
        _ALL,
        lambda each: {
            "object": "session",
            "id": each.id,
            "current": each.id == current,
            "address": each.address,
            "agent": each.agent,
            "created_at": shown_time(each.created_at_us),
            "expires_at": shown_time(each.expires_at_us),
        },
    )


@router.delete("/v1/account/sessions", response_model=EndedAnswer, summary="End your other sessions")
async def end_other_sessions(request: Request, caller: Person) -> Response:
    ended = await administration_of(request).change(
        as_person(caller), sessions.end_other_sessions, token=token_of(request)
    )
    return answer({"object": "sessions.ended", "ended": ended})


@router.delete("/v1/account/sessions/{session_id}", response_model=EndedAnswer, summary="End one of your sessions")
async def end_session(request: Request, session_id: SessionPath, caller: Person) -> Response:
    await administration_of(request).change(as_person(caller), sessions.end_own_session, session_id)
    return answer({"object": "sessions.ended", "ended": 1})


@router.get(
    "/v1/account/organizations",
    response_model=ListPage[OwnOrganizationAnswer],
    summary="List the organizations that you belong to",
)
async def list_organizations(request: Request, caller: Person) -> Response:
    found = await administration_of(request).look(as_person(caller), accounts.list_own_organizations)
    return list_answer(
        found,
        _ALL,
        lambda each: {
            "object": "organization",
            "id": each.id,
            "name": each.name,
            "timezone": each.timezone,
            "language": each.language,
            "member_id": each.member_id,
            "joined_at": shown_time(each.joined_at_us),
        },
    )
