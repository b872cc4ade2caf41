"""What is to be asked of the store for one lease of this replica: how much more of its budget, what to give back, its end.

None of it keeps money safe: it decides how well what there is gets used. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from tollkeeper.domain.lease import AMOUNT_MAX, Ask
from tollkeeper.domain.local_lease import LocalLease, LocalNode

AHEAD_S = 5.0
"""A lease is asked for so many seconds of what is drawn at present."""
CALLS_AHEAD = 64
"""And for at least so many calls like the present one: a cold key must not ask at every call."""
IDLE_S = 300.0
"""What is left of a lease that nobody drew on for so long is given back; when others need it, it is asked for at once."""
CLOSED_S = 3600.0
"""And after so long the lease is closed: one for each burst of calls would leave more rows than calls do."""


def ask_of(lease: LocalLease, now_s: float) -> Ask | None:
    """Return what is to be asked for a lease now, and take off what it gives back; None when there is nothing to ask."""
    node = lease.node
    if node.lease is not lease:
        return _ask_to_end(lease)
    if node.waiting:
        return _ask_for_waiting(lease, now_s)
    idle_s = now_s - lease.used_at_s
    if idle_s >= CLOSED_S and lease.is_drained:
        lease.let_go()
        return _ask_to_end(lease)
    if (surplus := _surplus(lease, idle_s)) > 0:
        return _ask(lease, give_back=surplus)
    if lease.free < lease.low:
        return _ask(lease, want=max(0, _ahead(node, now_s) - max(0, lease.free)))
    return None


def _surplus(lease: LocalLease, idle_s: float) -> int:
    """Return what a lease has that is better given back."""
    if idle_s >= IDLE_S or lease.is_exact:
        return lease.free
    return lease.free - lease.high // 2 if lease.free > lease.high else 0


def _ask_for_waiting(lease: LocalLease, now_s: float) -> Ask | None:
    """Ask for all that wait, but no more than what lets one in: the first's turn comes when another's was before it."""
    node, figures = lease.node, lease.figures
    if sum(each.need[node.unit] for each in node.waiting) <= lease.free:
        return None
    need = 0
    if missing := [least - lease.free for each in node.waiting if (least := each.least(node)) > lease.free]:
        need = missing[0] if node.is_turn_of_first else min(missing)
        node.is_turn_of_first = need < missing[0]
    # What can never be let in must not take from others what can.
    most = max(figures.limit - figures.used, lease.free) if figures is not None and node.is_hard else AMOUNT_MAX
    total = sum(each.need[node.unit] for each in node.waiting if each.least(node) <= most)
    exact = max(need, total - lease.free)
    return _ask(lease, need=need, exact=exact, want=exact + _ahead(node, now_s))


def _ask_to_end(lease: LocalLease) -> Ask | None:
    if lease.is_lost:
        return None
    if lease.is_drained:
        return _ask(lease, is_closing=True)
    return _ask(lease, give_back=lease.free) if lease.free > 0 else None


def _ask(
    lease: LocalLease, *, need: int = 0, exact: int = 0, want: int = 0, give_back: int = 0, is_closing: bool = False
) -> Ask:
    lease.free -= give_back  # at once: it must not be drawn while it is on its way back
    lease.amount -= give_back
    node = lease.node
    return Ask(
        node.organization_id,
        node.limit.budget_id,
        lease.id,
        lease.operation + 1,
        need,
        exact,
        want,
        give_back,
        is_closing,
    )


def _ahead(node: LocalNode, now_s: float) -> int:
    """Return how much is worth having beyond what is needed now, and begin to count anew."""
    elapsed_s = max(now_s - node.drawn_since_s, 0.1)
    ahead = int(node.drawn * AHEAD_S / elapsed_s)
    node.drawn, node.drawn_since_s = 0, now_s
    return max(ahead, CALLS_AHEAD * node.call)
