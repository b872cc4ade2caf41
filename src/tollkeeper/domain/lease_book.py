"""The leases of one replica, without I/O: calls draw on them, settle and wait, and answers change them.

All of it is synchronous and belongs to one thread. Times are seconds of a monotonic clock, given by the caller.
What keeps money safe is small: a call draws on every node of its path or on none, never beyond what a lease has left,
never on a lease whose window has ended, never when the store has not heard of this replica for too long. Everything
else (how much to ask for, when to give back: see `lease_asks`) only decides how well the rest is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tollkeeper.domain.lease import Answer, Ask, Draw, Pulse
from tollkeeper.domain.lease_asks import CLOSED_S, IDLE_S, ask_of
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.local_lease import (
    CONCURRENT,
    NEVER_S,
    USD,
    Denial,
    Drawn,
    LocalLease,
    LocalNode,
    Need,
    Path,
    Waiter,
)

IDLE_PARTS = 128
"""No more than this part of a limit lies idle in a lease: a replica that dies takes it along until it is back."""
ALIVE_S = 25.0
"""For so long after the store last heard of this replica it draws on its leases; the store waits longer (30 s)."""
FAILED_PAUSE_S = 0.2
DENIED_PAUSE_S = 0.05
"""An exhausted node is asked for at most every so often: calls that come meanwhile share the next answer."""


class LeaseBook:
    """What this replica holds. `new_id` makes 16 bytes that no lease ever had."""

    def __init__(self, new_id: Callable[[], bytes]) -> None:
        self._new_id = new_id
        self.nodes: dict[str, LocalNode] = {}
        self.leases: dict[bytes, LocalLease] = {}  # those that the store may know, old windows' included
        self.due: dict[str, LocalNode] = {}  # what may have something to ask
        self.is_stirred = False  # something became due since the holder looked
        self.alive_until_s = 0.0
        self.replicas = 1

    def path(self, organization_id: str, limits: Iterable[Limit], *, now_s: float) -> Path:
        """Return the nodes of these limits, in order."""
        found = []
        for limit in limits:
            node = self.nodes.get(limit.budget_id)
            if node is None:
                node = self.nodes[limit.budget_id] = LocalNode(organization_id, limit, now_s=now_s)
            node.limit, node.is_hard, node.is_gone, node.named_s = limit, limit.is_hard, False, now_s
            found.append(node)
        return tuple(found)

    def draw(self, path: Path, need: Need, now_s: float) -> Drawn | None:  # noqa: C901  # on the path of every call
        """Draw on every node, or on none; None when one of the leases does not suffice."""
        if now_s >= self.alive_until_s and path:
            return None
        for node in path:
            lease = node.lease
            if lease is None:
                if not node.is_gone:
                    return None
            elif now_s >= lease.ends_s:
                self._stir(node)  # its window ended while calls waited for other budgets: it is time for the next
                return None
            elif (lease.free < need[node.unit] and node.is_hard) or not lease.operation:
                return None  # the last: the store may not know it yet
        parts, draws = [], []
        for node in path:
            lease = node.lease
            if lease is None:
                continue
            unit = node.unit
            amount = need[unit]
            before = lease.free
            draw = Draw(lease.id, amount, before, lease.limit, lease.used)
            parts.append((lease, amount, draw))
            if unit != CONCURRENT:
                draws.append(draw)
            lease.free = free = before - amount
            lease.open_calls += 1
            lease.used_at_s = now_s
            node.drawn += amount
            node.call = amount
            if free < lease.low:
                self._stir(node)  # more is asked for ahead of need
        return Drawn(parts, tuple(draws), need)

    def draw_less(self, waiter: Waiter, now_s: float) -> Drawn | None:
        """Draw what there is for a call that can do with less money; None when that is not enough either."""
        need = waiter.need
        least = min(
            (node.lease.free for node in waiter.path if node.unit == USD and node.lease and node.is_hard),
            default=need[0],
        )
        if least < waiter.usd_min:
            return None
        return self.draw(waiter.path, (min(least, need[0]), *need[1:]), now_s)

    def wait(self, path: Path, need: Need, usd_min: int, *, now_s: float) -> Waiter:
        """Note that a call waits for what it could not draw."""
        waiter = Waiter(path, need, usd_min, now_s=now_s)
        for node in path:
            if not node.is_gone:
                node.waiting[waiter] = None
                node.call = max(node.call, need[node.unit])
                self._stir(node)
        return waiter

    def stop_waiting(self, waiter: Waiter) -> None:
        for node in waiter.path:
            node.waiting.pop(waiter, None)

    def refusal(self, waiter: Waiter) -> tuple[LocalNode, Denial] | None:
        """Return the first node that can no longer serve a waiting call: asked after it came, and denied for good.

        What was denied may have been another call's, which needs more: as long as there is enough for this one, it waits.
        """
        for node in waiter.path:
            denial = node.denial
            if denial is not None and denial.is_final and denial.asked_at_s >= waiter.came_s:
                free = node.lease.free if node.lease is not None else 0
                if free < waiter.least(node) and free + denial.left < waiter.least(node):
                    return node, denial
        return None

    def settle(self, drawn: Drawn, nanos: int, tokens: int) -> tuple[Draw, ...]:
        """Give back what was drawn too much, and return what the call came to, which may be more than was drawn."""
        came_to = (nanos, 1, tokens, 0)
        for lease, amount, draw in drawn.parts:
            node = lease.node
            unit = node.unit
            draw.amount = actual = came_to[unit]
            lease.free = free = lease.free + amount - actual
            lease.open_calls -= 1
            if unit != CONCURRENT:
                lease.unflushed += 1
            if lease.is_exact or free > lease.high or node.waiting or node.lease is not lease:
                self._stir(node)
        return drawn.draws

    def release(self, drawn: Drawn) -> None:
        """Give everything back: the call never went out."""
        for lease, amount, _ in drawn.parts:
            lease.free += amount
            lease.open_calls -= 1
            self._stir(lease.node)

    def asks(self, now_s: float) -> list[Ask]:
        """Return what is to be asked now; each is then told to `answered` or `failed`, once."""
        found: list[Ask] = []
        due, self.due = self.due, {}
        for budget_id, node in due.items():
            if now_s < node.ask_at_s:
                self.due[budget_id] = node
                continue
            if node.lease is not None and now_s >= node.lease.ends_s:
                node.lease.let_go()
            for lease in (*node.old, node.lease or self._wanted_lease(node, now_s)):
                if lease is None or lease.is_asking:
                    continue
                if lease.is_lost and lease.is_drained:
                    self._forget(lease)
                    continue
                if lease.asked is None:
                    lease.asked = ask_of(lease, now_s)
                if lease.asked is not None:
                    lease.is_asking = True
                    found.append(lease.asked)
        return found

    def next_ask_s(self) -> float:
        """Return when the earliest of what is due may be asked; NEVER_S when nothing is."""
        return min((node.ask_at_s for node in self.due.values()), default=NEVER_S)

    def answered(self, ask: Ask, answer: Answer, *, asked_at_s: float) -> None:
        """Take an answer in. The time until the window's end counts from before it was asked: too early is safe."""
        lease = self.leases[ask.lease_id]
        node = lease.node
        lease.asked, lease.is_asking = None, False
        lease.operation = ask.operation
        has_grown = answer.amount > lease.amount
        lease.free += answer.amount - lease.amount
        lease.amount = answer.amount
        lease.low = 0 if answer.is_exact else lease.free // 2
        if answer.figures is not None:
            lease.figures = answer.figures
            lease.limit, lease.used = answer.figures.limit, answer.figures.used
        if lease.figures is not None and node.is_hard and node.unit != CONCURRENT:
            lease.high = max(lease.figures.limit // IDLE_PARTS, 2 * node.call)
        lease.is_exact = answer.is_exact
        if answer.ends_in_us is not None:
            lease.ends_s = asked_at_s + answer.ends_in_us / 1_000_000
        if answer.outcome in {"denied", "stopped"}:
            node.denial = Denial(ask, answer, asked_at_s=asked_at_s)
            node.ask_at_s = asked_at_s + DENIED_PAUSE_S
        elif answer.outcome == "done":
            node.denial = None
            if ask.exact and not has_grown:  # calls wait for another node, and this one has nothing more for them
                node.ask_at_s = asked_at_s + DENIED_PAUSE_S
        else:
            node.is_gone |= answer.outcome == "gone" and asked_at_s >= node.named_s  # it may be back since
            lease.is_lost |= answer.outcome == "lost"
            lease.let_go()
        if ask.is_closing:
            self._forget(lease)
        self._stir(node)

    def failed(self, asks: Iterable[Ask], *, now_s: float) -> None:
        """Nobody knows whether these were done: each is asked again, exactly as it was."""
        for ask in asks:
            lease = self.leases[ask.lease_id]
            lease.is_asking = False
            lease.node.ask_at_s = now_s + FAILED_PAUSE_S
            self._stir(lease.node)

    def heard(self, pulse: Pulse) -> None:
        """Take in what the store says to this replica."""
        self.replicas = max(1, pulse.replicas)
        for lease_id in pulse.recalled:
            lease = self.leases.get(lease_id)
            if lease is not None:
                lease.is_exact = True
                self._stir(lease.node)
        for lease_id in pulse.lost:
            lease = self.leases.get(lease_id)
            if lease is not None:
                lease.let_go()

    def beaten(self, *, asked_at_s: float) -> None:
        """The store has noted that this replica was alive at `asked_at_s`.

        After a silence that was too long, others may have ended its leases: none is drawn on any more.
        """
        if asked_at_s >= self.alive_until_s:
            for lease in self.leases.values():
                lease.let_go()
                self._stir(lease.node)
        self.alive_until_s = max(self.alive_until_s, asked_at_s + ALIVE_S)

    def flushed(self, draws: Iterable[Draw]) -> None:
        """The store has what these draws came to."""
        for draw in draws:
            lease = self.leases.get(draw.lease_id)
            if lease is None:
                continue
            lease.unflushed -= 1
            if lease.node.lease is not lease and lease.is_drained:
                self._stir(lease.node)

    def sweep(self, now_s: float) -> None:
        """Look for leases that lie idle or whose window has ended; called every few seconds."""
        for lease in self.leases.values():
            idle_s = now_s - lease.used_at_s
            is_idle = idle_s >= IDLE_S and (lease.free > 0 or idle_s >= CLOSED_S)
            if is_idle or now_s >= lease.ends_s or lease.node.lease is not lease:
                self._stir(lease.node)

    def give_up(self) -> None:
        """Let every lease go: this replica admits no call any more. `asks` then closes them as they are drained."""
        self.alive_until_s = 0.0
        for lease in list(self.leases.values()):
            lease.let_go()
            self._stir(lease.node)

    def compact(self) -> None:
        """Forget nodes without leases; whoever keeps paths must forget them too."""
        held = {id(lease.node) for lease in self.leases.values()}
        self.nodes = {key: node for key, node in self.nodes.items() if node.waiting or id(node) in held}

    def _wanted_lease(self, node: LocalNode, now_s: float) -> LocalLease | None:
        """Begin a lease for a node that has none, when calls wait for it."""
        if not node.waiting or node.is_gone:
            return None
        lease = node.lease = LocalLease(self._new_id(), node, now_s=now_s)
        self.leases[lease.id] = lease
        return lease

    def _stir(self, node: LocalNode) -> None:
        self.due[node.limit.budget_id] = node
        self.is_stirred = True

    def _forget(self, lease: LocalLease) -> None:
        self.leases.pop(lease.id, None)
        if lease in lease.node.old:
            lease.node.old.remove(lease)
        if lease.node.lease is lease:
            lease.node.lease = None
