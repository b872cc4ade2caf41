"""/v1/auth: sign up, log in and out, prove an address, set a forgotten password, accept an invitation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.people import (
    AccountAnswer,
    Email,
    Language,
    LinkToken,
    Password,
    people_of,
    set_cookie,
    shown_account,
    token_of,
    visit_of,
)
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Name, Shape, answer, shown_time
from tollkeeper.control import invites, login, passwords, sessions, sign_up
from tollkeeper.control.administration import Caller
from tollkeeper.control.invite_offers import read_offer
from tollkeeper.control.people import as_person
from tollkeeper.control.sign_up import NewPerson

router = APIRouter(tags=["accounts"])


class SignUpBody(Shape):
    email: Email
    password: Password
    name: Name
    language: Language = "en"
    invitation: Annotated[str, Field(max_length=100, description="The token of an invitation's link.")] = ""


class SignUpAnswer(Shape):
    object: Literal["sign_up"]
    email: str
    email_verified: bool
    next: Annotated[
        Literal["verify_email", "log_in"],
        Field(description="`verify_email`: an e-mail is on its way, unless the address has an account already."),
    ]


class LoginBody(Shape):
    email: Email
    password: Password
    cookie: Annotated[bool, Field(description="Keep the session in a cookie too, as Tollkeeper's own pages do.")] = (
        False
    )


class LoginAnswer(Shape):
    object: Literal["session"]
    token: Annotated[str, Field(description="`Authorization: Bearer sess-tk-…`", examples=["sess-tk-…"])]
    expires_at: str
    account: AccountAnswer


class TokenBody(Shape):
    token: LinkToken


class InvitationAnswer(Shape):
    object: Literal["invitation"]
    organization: Annotated[str, Field(description="The name of what one is invited to.")]
    inviter: Annotated[str | None, Field(description="Who invites; null for the operator.")]
    expires_at: str


class ForgotPasswordBody(Shape):
    email: Email


class ResetPasswordBody(Shape):
    token: LinkToken
    password: Password


class DoneAnswer(Shape):
    object: Literal["done"]
    message: str


class MembershipAnswer(Shape):
    object: Literal["membership"]
    organization_id: str
    member_id: str


@router.post("/v1/auth/sign-up", response_model=SignUpAnswer, summary="Make an account")
async def make_account(request: Request, body: SignUpBody) -> Response:
    wanted = NewPerson(body.email, body.password, body.name, body.language, body.invitation)
    made = await sign_up.sign_up(people_of(request), visit_of(request), wanted)
    return answer(
        {
            "object": "sign_up",
            "email": made.email,
            "email_verified": made.is_email_verified,
            "next": "log_in" if made.is_email_verified else "verify_email",
        }
    )


@router.post("/v1/auth/login", response_model=LoginAnswer, summary="Log in by e-mail address and password")
async def log_in(request: Request, body: LoginBody) -> Response:
    people = people_of(request)
    begun = await login.log_in(people, visit_of(request), email=body.email, password=body.password)
    made = answer(
        {
            "object": "session",
            "token": begun.token,
            "expires_at": shown_time(begun.expires_at_us),
            "account": shown_account(begun.account),
        }
    )
    if body.cookie:
        set_cookie(made, people, sessions.SESSION_COOKIE, begun.token, max_age_s=people.rules.session_s, path="/")
    return made


@router.post("/v1/auth/logout", response_model=DoneAnswer, summary="End the session that asks")
async def log_out(request: Request, caller: Annotated[Caller, Depends(requires("login"))]) -> Response:
    await people_of(request).change(as_person(caller), sessions.log_out, token=token_of(request))
    done = _done("You are logged out.")
    done.delete_cookie(sessions.SESSION_COOKIE, path="/")
    return done


@router.post("/v1/auth/verify-email", response_model=AccountAnswer, summary="Prove an address by an e-mail's link")
async def verify_email(request: Request, body: TokenBody) -> Response:
    return answer(shown_account(await sign_up.verify_email(people_of(request), visit_of(request), body.token)))


@router.post("/v1/auth/forgot-password", response_model=DoneAnswer, summary="Ask for a link that sets another password")
async def forgot_password(request: Request, body: ForgotPasswordBody) -> Response:
    await passwords.forget_password(people_of(request), visit_of(request), body.email)
    return _done("If this address has an account, an e-mail with a link is on its way.")


@router.post("/v1/auth/reset-password", response_model=DoneAnswer, summary="Set a password by an e-mail's link")
async def reset_password(request: Request, body: ResetPasswordBody) -> Response:
    await passwords.reset_password(people_of(request), visit_of(request), token=body.token, password=body.password)
    return _done("The password is set, and every session is ended; log in with it.")


@router.post(
    "/v1/auth/invitation", response_model=InvitationAnswer, summary="Say who invites to what by an invitation's token"
)
async def read_invitation(request: Request, body: TokenBody) -> Response:
    offer = await read_offer(people_of(request), visit_of(request), body.token)
    return answer(
        {
            "object": "invitation",
            "organization": offer.organization,
            "inviter": offer.inviter or None,
            "expires_at": shown_time(offer.expires_at_us),
        }
    )


@router.post(
    "/v1/auth/accept-invitation", response_model=MembershipAnswer, summary="Accept an invitation of your address"
)
async def accept_invitation(
    request: Request, body: TokenBody, caller: Annotated[Caller, Depends(requires("login"))]
) -> Response:
    member = await invites.accept_invite(people_of(request), caller, body.token)
    return answer({"object": "membership", "organization_id": member.organization_id, "member_id": member.id})


def _done(message: str) -> Response:
    body: dict[str, Any] = {"object": "done", "message": message}
    return answer(body)
