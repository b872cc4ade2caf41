"""What the pages of accounts say, in English and Korean.

A key of ERRORS is an error's `code`, or `code.param`; under "" stands what holds on every page. `{message}` is the
server's own sentence, in English: where one code has several causes, it says which.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.web.languages import Language

Texts = Mapping[str, str]

PROVIDERS: Texts = {"google": "Google", "microsoft": "Microsoft"}
"""Names of identity providers as they write them; another one is shown as the operator named it."""

SHARED: Mapping[Language, Texts] = {
    "en": {
        "needs_script": "This page needs JavaScript. Switch it on and load the page again.",
        "email": "E-mail address",
        "password": "Password",
        "password_hint": "At least 10 characters; several words make a good one.",
        "show_password": "Show password",
        "to_sign_in": "Sign in",
        "to_sign_up": "Create an account",
        "to_forgot_password": "Forgot your password?",
        "check_mailbox": "Follow the link in it to go on. If nothing arrives within a few minutes, look into the spam folder.",
    },
    "ko": {
        "needs_script": "이 페이지를 사용하려면 JavaScript가 필요합니다. 설정에서 켠 뒤 페이지를 새로 고쳐 주세요.",
        "email": "이메일 주소",
        "password": "비밀번호",
        "password_hint": "10자 이상이어야 합니다. 여러 단어를 이어 쓰면 안전합니다.",
        "show_password": "비밀번호 표시",
        "to_sign_in": "로그인",
        "to_sign_up": "계정 만들기",
        "to_forgot_password": "비밀번호를 잊으셨나요?",
        "check_mailbox": "메일의 링크를 눌러 계속 진행해 주세요. 몇 분이 지나도 메일이 오지 않으면 스팸함을 확인해 주세요.",
    },
}

SCRIPT: Mapping[Language, Texts] = {
    "en": {"person": "Signed in as {name} ({email}).", "provider": "Continue with {name}"},
    "ko": {"person": "{name}({email}) 계정으로 로그인되어 있습니다.", "provider": "{name} 계정으로 계속하기"},
}

PAGES: Mapping[Language, Mapping[str, Texts]] = {
    "en": {
        "sign-in": {
            "title": "Sign in",
            "lead": "Use your Tollkeeper account to see and manage what your organizations share.",
            "submit": "Sign in",
            "organizations": "Your organizations",
            "no_organizations": "You belong to no organization yet. Open the link of an invitation that you got by e-mail.",
            "to_home": "Go on",
            "sign_out": "Sign out",
        },
        "sign-up": {
            "title": "Create an account",
            "lead": "An account lets you join the organizations that invite you, or found your own.",
            "invited": "You are accepting an invitation: use the e-mail address that it was sent to.",
            "name_label": "Name",
            "submit": "Create account",
            "sent": "An e-mail is on its way to {email}.",
        },
        "forgot-password": {
            "title": "Forgot your password?",
            "lead": "Enter your e-mail address and we will send you a link that sets a new password.",
            "submit": "Send the link",
            "sent": "If {email} has an account, an e-mail is on its way to it.",
        },
        "reset-password": {
            "title": "Set a new password",
            "lead": "Choose a new password for your account. You will be signed out everywhere.",
            "submit": "Set password",
            "to_forgot_password": "Ask for a new link",
            "broken": "This page needs a link that still works. Ask for a new one; it arrives by e-mail.",
            "done": "Your new password is set, and you were signed out everywhere. Sign in with it now.",
        },
        "verify-email": {
            "title": "Confirm your e-mail address",
            "lead": "Press the button to confirm that the mailbox which got our e-mail is yours.",
            "submit": "Confirm e-mail address",
            "broken": "This page needs a link that still works. Sign in: if your address is not confirmed yet, a new link is sent to it.",
            "done": "Your e-mail address is confirmed. Sign in to go on.",
        },
        "accept-invitation": {
            "title": "Accept an invitation",
            "lead": "You were invited to join an organization on Tollkeeper.",
            "offer": "{inviter} invites you to join the organization {organization}.",
            "offer_unnamed": "You are invited to join the organization {organization}.",
            "stranger": "Use the e-mail address that the invitation was sent to: with an account that you have, or a new one.",
            "submit": "Accept invitation",
            "another_account": "Use another account",
            "broken": "This page needs the link of an invitation that still works. Ask who invited you to send it again.",
            "done": "You are a member now.",
            "to_organizations": "See your organizations",
        },
    },
    "ko": {
        "sign-in": {
            "title": "로그인",
            "lead": "Tollkeeper 계정으로 로그인해 조직을 확인하고 관리합니다.",
            "submit": "로그인",
            "organizations": "내 조직",
            "no_organizations": "아직 소속된 조직이 없습니다. 이메일로 받은 초대 링크를 열어 주세요.",
            "to_home": "계속하기",
            "sign_out": "로그아웃",
        },
        "sign-up": {
            "title": "계정 만들기",
            "lead": "계정을 만들면 초대받은 조직에 참여하거나 새 조직을 만들 수 있습니다.",
            "invited": "초대를 수락하는 중입니다. 초대 메일을 받은 이메일 주소를 입력해 주세요.",
            "name_label": "이름",
            "submit": "계정 만들기",
            "sent": "{email} 주소로 메일을 보냈습니다.",
        },
        "forgot-password": {
            "title": "비밀번호 찾기",
            "lead": "가입한 이메일 주소를 입력하시면 새 비밀번호를 설정할 수 있는 링크를 보내 드립니다.",
            "submit": "링크 보내기",
            "sent": "{email} 주소로 가입한 계정이 있으면 메일이 발송됩니다.",
        },
        "reset-password": {
            "title": "새 비밀번호 설정",
            "lead": "계정의 새 비밀번호를 입력해 주세요. 설정하면 모든 기기에서 로그아웃됩니다.",
            "submit": "비밀번호 설정",
            "to_forgot_password": "새 링크 받기",
            "broken": "유효한 링크가 필요합니다. 새 링크를 요청하시면 이메일로 보내 드립니다.",
            "done": "새 비밀번호가 설정되었고, 모든 기기에서 로그아웃되었습니다. 새 비밀번호로 로그인해 주세요.",
        },
        "verify-email": {
            "title": "이메일 인증",
            "lead": "아래 버튼을 눌러 메일을 받은 주소가 본인의 것임을 확인해 주세요.",
            "submit": "이메일 인증하기",
            "broken": "유효한 링크가 필요합니다. 아직 인증하지 않으셨다면 로그인할 때 새 링크를 보내 드립니다.",
            "done": "이메일 주소가 인증되었습니다. 이제 로그인할 수 있습니다.",
        },
        "accept-invitation": {
            "title": "초대 수락",
            "lead": "Tollkeeper의 조직에 초대되었습니다.",
            "offer": "{inviter} 님이 {organization} 조직에 초대했습니다.",
            "offer_unnamed": "{organization} 조직에 초대되었습니다.",
            "stranger": "초대 메일을 받은 이메일 주소로 계정을 만들거나, 이미 있는 계정으로 로그인해 주세요.",
            "submit": "초대 수락하기",
            "another_account": "다른 계정 사용하기",
            "broken": "유효한 초대 링크가 필요합니다. 초대한 분에게 초대를 다시 보내 달라고 요청해 주세요.",
            "done": "초대를 수락했습니다. 이제 조직의 멤버입니다.",
            "to_organizations": "내 조직 보기",
        },
    },
}

ERRORS: Mapping[Language, Mapping[str, Texts]] = {
    "en": {
        "": {
            "unreachable": "The server cannot be reached. Check your connection and try again.",
            "rate_limit_exceeded": "Too many attempts. Try again in {seconds} seconds.",
            "overloaded": "Too many people sign in right now. Try again in a few seconds.",
            "store_unavailable": "The server is busy; nothing was changed. Try again in a moment.",
            "invalid_api_key": "You are signed out. Sign in again.",
            "invalid_request.email": "Enter a whole e-mail address, such as jimin@example.com, of at most 254 characters.",
            "invalid_request.password": "{message}",
            "invalid_request.name": "A name has 1 to 100 characters.",
            "invalid_request.token": "This link does not work any more: it was used, or is too old.",
            "permission_denied": "{message}",
            "not_found": "{message}",
            "conflict": "{message}",
            "unknown": "That did not work: {message}",
        },
        "sign-in": {"login_failed": "{message}"},
        "sign-up": {
            "invalid_request.email": "This e-mail address cannot be used. {message}",
            "invalid_request.token": "The invitation does not work any more: it was used, withdrawn, or is too old. Ask for a new one.",
            "conflict": "There is an account with this e-mail address. Sign in to accept the invitation.",
        },
        "accept-invitation": {
            "permission_denied": "The invitation is for another e-mail address. Use the account of the address that it was sent to.",
            "invalid_request.token": "The invitation does not work any more: it was used, withdrawn, or is too old.",
        },
    },
    "ko": {
        "": {
            "unreachable": "서버에 연결할 수 없습니다. 네트워크 연결을 확인한 뒤 다시 시도해 주세요.",
            "rate_limit_exceeded": "시도 횟수가 너무 많습니다. {seconds}초 후에 다시 시도해 주세요.",
            "overloaded": "지금 로그인하는 사람이 많습니다. 잠시 후 다시 시도해 주세요.",
            "store_unavailable": "서버가 요청을 처리하지 못했으며, 변경된 내용은 없습니다. 잠시 후 다시 시도해 주세요.",
            "invalid_api_key": "로그아웃되었습니다. 다시 로그인해 주세요.",
            "invalid_request.email": "jimin@example.com과 같은 이메일 주소를 254자 이내로 입력해 주세요.",
            "invalid_request.password": "{message}",
            "invalid_request.name": "이름은 1자 이상 100자 이하여야 합니다.",
            "invalid_request.token": "더 이상 유효하지 않은 링크입니다. 이미 사용되었거나 기간이 지났습니다.",
            "permission_denied": "{message}",
            "not_found": "{message}",
            "conflict": "{message}",
            "unknown": "요청을 처리하지 못했습니다. {message}",
        },
        "sign-in": {"login_failed": "{message}"},
        "sign-up": {
            "invalid_request.email": "사용할 수 없는 이메일 주소입니다. {message}",
            "invalid_request.token": "더 이상 유효하지 않은 초대입니다. 이미 사용되었거나 취소되었거나 기간이 지났습니다. 초대를 다시 요청해 주세요.",
            "conflict": "이 이메일 주소로 만든 계정이 이미 있습니다. 로그인해서 초대를 수락해 주세요.",
        },
        "accept-invitation": {
            "permission_denied": "다른 이메일 주소로 보낸 초대입니다. 초대 메일을 받은 주소의 계정으로 로그인해 주세요.",
            "invalid_request.token": "더 이상 유효하지 않은 초대입니다. 이미 사용되었거나 취소되었거나 기간이 지났습니다.",
        },
    },
}
