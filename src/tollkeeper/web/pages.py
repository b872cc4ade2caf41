"""Which pages there are: path -> what renders it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tollkeeper.control.account_rules import SignUp
from tollkeeper.web.account_pages import ACCOUNT_PAGES, account_page, refusal_text
from tollkeeper.web.home import home_page

Page = Callable[[Request], Response]


def make_pages(*, has_accounts: bool, sign_up: SignUp = "open") -> dict[str, Page]:
    """Return the pages of a process; without accounts (it only forwards calls) there is nobody who could sign in.

    `sign_up` says who may make an account, so that it is offered to nobody else.
    """
    pages: dict[str, Page] = {"/": partial(home_page, has_accounts=has_accounts)}
    if has_accounts:
        pages |= {f"/{name}": partial(account_page, name=name, sign_up=sign_up) for name in ACCOUNT_PAGES}
        pages["/refusal"] = refusal_text
    return pages
