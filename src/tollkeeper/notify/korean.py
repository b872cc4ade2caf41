"""The Korean of every e-mail, in the formal style; a noun follows each name, so that no particle depends on its sound."""

from __future__ import annotations

from tollkeeper.notify.letter import Letter, Stationery
from tollkeeper.notify.wording import BudgetWords, DisabledKeysWords, ExpiringKeyWords, InvitationWords, OverrunWords

STATIONERY = Stationery(
    html_language="ko",
    copy_link="버튼이 작동하지 않으면 아래 주소를 복사해 브라우저에 붙여 넣어 주세요.",
    sent_by="본 메일은 Tollkeeper에서 자동으로 발송되었습니다.",
    fonts="-apple-system,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif",
    line_breaks="keep-all",
)
_ROLES = {
    "org_admin": "조직 관리자",
    "team_admin": "팀 관리자",
    "developer": "개발자",
    "viewer": "뷰어",
}
_SCOPES = {
    "organization": "조직",
    "team": "팀",
    "project": "프로젝트",
    "member": "멤버",
    "api_key": "API 키",
    "credit": "크레딧",
}
_PERIODS = {"daily": "일간", "weekly": "주간", "monthly": "월간", "total": "전체"}
_UNITS = {"requests": "요청 {}건", "tokens": "{} 토큰"}


def verify_email(*, until: str) -> Letter:
    return Letter(
        subject="이메일 주소를 인증해 주세요",
        paragraphs=("Tollkeeper 계정의 이메일 주소를 확인합니다. 아래 링크를 눌러 인증을 완료해 주세요.",),
        action="이메일 인증하기",
        notes=(
            f"링크 유효 기간: {until}까지",
            "본인이 요청하지 않았다면 이 메일을 무시하셔도 됩니다.",
        ),
    )


def reset_password(*, until: str) -> Letter:
    return Letter(
        subject="비밀번호 재설정 안내",
        paragraphs=("비밀번호 재설정 요청이 접수되었습니다. 아래 링크를 눌러 새 비밀번호를 설정해 주세요.",),
        action="비밀번호 재설정하기",
        notes=(
            f"링크 유효 기간: {until}까지 (한 번만 사용할 수 있습니다)",
            "본인이 요청하지 않았다면 이 메일을 무시하셔도 됩니다. 비밀번호는 변경되지 않습니다.",
        ),
    )


def password_changed(*, changed: str) -> Letter:
    return Letter(
        subject="비밀번호가 변경되었습니다",
        paragraphs=(
            "회원님의 Tollkeeper 계정 비밀번호가 변경되었습니다. 직접 변경하셨다면 별도의 조치가 필요하지 않습니다.",
            "본인이 변경하지 않았다면 즉시 비밀번호를 재설정하고 조직 관리자에게 알려 주세요.",
        ),
        facts=(("변경 일시", changed),),
        action="비밀번호 재설정하기",
    )


def invitation(said: InvitationWords) -> Letter:
    team = (("팀", said.team),) if said.team else ()
    return Letter(
        subject=f"{said.organization} 조직에 초대되었습니다",
        paragraphs=(
            f"{said.inviter}님이 회원님을 Tollkeeper의 {said.organization} 조직에 초대했습니다.",
            "아래 링크를 눌러 초대를 수락해 주세요.",
        ),
        facts=(
            ("조직", said.organization),
            *team,
            ("역할", _ROLES.get(said.role, said.role)),
            ("초대한 사람", said.inviter),
        ),
        action="초대 수락하기",
        notes=(
            f"초대 유효 기간: {said.until}까지",
            "초대한 사람을 모르신다면 수락하지 마시고 이 메일을 무시해 주세요.",
        ),
    )


def api_key_expires(said: ExpiringKeyWords) -> Letter:
    command, request = said.commands
    return Letter(
        subject=f"API 키 만료 예정 안내: {said.name}",
        paragraphs=(
            "아래 API 키가 곧 만료됩니다. 만료 후에는 이 키를 사용한 모든 호출이 거부됩니다.",
            "서비스가 중단되지 않도록 만료 전에 새 키로 교체해 주세요.",
        ),
        facts=(("키 이름", said.name), ("키 ID", said.id), ("프로젝트", said.project), ("만료 일시", said.expires)),
        action="API 키 관리하기",
        commands=(("명령줄(CLI)에서 교체하기", command), ("API로 교체하기", request)),
        notes=(
            "새 키는 발급할 때 한 번만 표시됩니다.",
            "grace_seconds는 교체 후에도 기존 키를 함께 사용할 수 있는 시간(초)입니다(86400초는 하루).",
        ),
    )


def member_removed(*, organization: str, removed: str) -> Letter:
    return Letter(
        subject=f"{organization} 조직의 멤버에서 제외되었습니다",
        paragraphs=(
            f"회원님이 {organization} 조직의 멤버에서 제외되어, 이 조직의 리소스를 더 이상 조회하거나 사용할 수 없습니다.",
        ),
        facts=(("조직", organization), ("제외 일시", removed)),
        action="Tollkeeper 열기",
        notes=("회원님의 계정은 그대로 유지됩니다. 문의 사항이 있으면 조직 관리자에게 연락해 주세요.",),
    )


def member_keys_disabled(said: DisabledKeysWords) -> Letter:
    hidden = said.count - len(said.keys)
    rest = (f"이 외에 {hidden}개의 키가 함께 비활성화되었습니다.",) if hidden else ()
    return Letter(
        subject=f"{said.member}님의 API 키 {said.count}개가 비활성화되었습니다",
        paragraphs=(
            f"{said.member}님이 {said.organization} 조직의 멤버에서 제외되어 아래 API 키가 비활성화되었습니다.",
            "이 키를 사용한 호출은 모두 거부됩니다.",
        ),
        facts=said.keys,
        action="API 키 관리하기",
        notes=(
            *rest,
            "아직 이 키를 사용하는 서비스가 있다면 새 키를 발급하거나 해당 키를 다시 활성화해 주세요.",
        ),
    )


def counted(amount: int, unit: str) -> str:
    return _UNITS[unit].format(f"{amount:,}")


def budget_alert(said: BudgetWords) -> Letter:
    """Say it by kind: a threshold, calls that were stopped, or a budget that will not last."""
    is_credit = said.scope_kind == "credit"
    place = f"{said.scope} {_SCOPES.get(said.scope_kind, said.scope_kind)}"
    whole = place if is_credit else f"{place} 예산"
    model = (("모델", said.model),) if said.model else ()
    projected = (("현재 추세 예상", said.projected),) if said.projected else ()
    until = (("초기화 일시", said.until),) if said.until else ()
    subject, paragraph = {
        "threshold": (
            f"{whole}의 {said.used_percent}를 사용했습니다",
            f"{whole}의 {said.used_percent}를 사용했습니다. {said.percent} 사용 시 보내는 알림입니다.",
        ),
        "stopped": (
            f"{place} 호출이 중지되었습니다",
            (
                f"{whole}의 {said.used_percent}를 사용하여 {said.percent} 알림 규칙에 따라 호출이 중지되었습니다."
                f" {'관리자가' if is_credit else '예산이 초기화되거나 관리자가'} 재개할 때까지 호출은 거부됩니다."
            ),
        ),
        "projected": (
            f"{whole}이 부족할 것으로 예상됩니다",
            f"지금 추세로 사용하면 {whole}은 초기화되기 전에 초과될 것으로 예상됩니다.",
        ),
    }[said.kind]
    used_up = (
        "크레딧이 추가될 때까지 이후 호출은 거부됩니다."
        if is_credit
        else "하드 한도인 경우 예산이 초기화되거나 증액될 때까지 이후 호출은 거부됩니다."
    )
    return Letter(
        subject=subject,
        paragraphs=(paragraph, *((used_up,) if said.is_used_up and said.kind == "threshold" else ())),
        facts=(
            ("조직", said.organization),
            ("크레딧", said.limit)
            if is_credit
            else ("예산", f"{_PERIODS.get(said.period, said.period)}, {said.limit}"),
            *model,
            ("사용량", f"{said.used} ({said.used_percent})"),
            *projected,
            *until,
        ),
        action="Tollkeeper 열기",
        notes=("이 범위의 할당량을 관리하고 있어 본 메시지를 보내드립니다.",),
    )


def overrun(said: OverrunWords) -> Letter:
    return Letter(
        subject=f"{said.organization} 조직에서 예약 금액을 초과한 호출이 있습니다",
        paragraphs=(
            "일부 호출의 비용이 예약된 금액보다 많았습니다. 비용은 모두 기록되므로 예산이 그만큼 초과될 수 있습니다.",
        ),
        facts=(("조직", said.organization), ("시간대 시작", said.hour), ("초과 금액", said.excess)),
        action="Tollkeeper 열기",
        notes=("이 알림은 한 시간에 한 번만 발송됩니다.",),
    )


def alert_test(*, organization: str) -> Letter:
    return Letter(
        subject=f"{organization} 조직의 알림 테스트",
        paragraphs=("테스트 메시지입니다. 이 조직의 알림이 이곳으로 전송됩니다.",),
        action="Tollkeeper 열기",
    )
