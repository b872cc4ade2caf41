"""How much a lease may grow: a share of what is left, or just what is needed when that is little. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper.store.budget_nodes import TAKEN_MAX

if TYPE_CHECKING:
    from tollkeeper.domain.lease import Ask
    from tollkeeper.store.budget_nodes import Node

_EXACT_CALLS = 8
"""With fewer calls than so many left for each replica, nothing may lie idle in a lease."""
_AMPLE_CALLS = 16
"""With so many, it may again."""
_SHARES = 2
"""A replica gets at most half of its even share ahead of need."""
_LIMIT_PARTS = 200


class Grant(msgspec.Struct, frozen=True):
    """What becomes of an ask to grow. `amount` is None when there is not enough for what it needs."""

    amount: int | None
    is_exact: bool


def grant_of(ask: Ask, node: Node, head: int, replicas: int) -> Grant:
    """Say what a lease gets of `head`, which is what nobody has used and no lease holds; `replicas` are alive."""
    if not node.is_hard:
        room = head - node.limit_amount + TAKEN_MAX
        ahead = min(ask.want, max(node.limit_amount // _LIMIT_PARTS, 1))
        is_denied = room < ask.need
        return Grant(None if is_denied else max(0, min(max(ask.need, ask.exact, ahead), room)), is_exact=False)
    is_exact = is_scarce(ask, node, head, replicas)
    if head < ask.need:
        return Grant(None, is_exact)
    if is_exact:
        return Grant(max(0, min(max(ask.exact, ask.need), head)), is_exact)
    share = max(head // (_SHARES * replicas), 0)
    ahead = min(ask.want, share, max(node.limit_amount // _LIMIT_PARTS, 1))
    return Grant(max(ask.need, ask.exact, ahead), is_exact)  # there is twice what is asked for now, else it were scarce


def is_scarce(ask: Ask, node: Node, head: int, replicas: int) -> bool:
    """Tell whether what is not drawn at once is to be given back.

    A call that is too large says little of what others need: it counts as one of a usual size.
    """
    need, exact = ask.need, ask.exact
    if head < need:
        need = exact = min(need, max(node.limit_amount // _LIMIT_PARTS, 1))
    is_little = head < _EXACT_CALLS * replicas * max(need, 1) or head < _SHARES * exact
    return node.is_hard and (node.recalled_at_us > 0 or is_little)


def is_ample(ask: Ask, head: int, replicas: int) -> bool:
    """Tell whether there is so much again that nobody need give anything back."""
    return head >= max(_AMPLE_CALLS * replicas * max(ask.need, 1), 2 * _SHARES * ask.exact)
