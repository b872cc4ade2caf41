"""A replica's own view of one budget and of the lease that it has on it: what may still be drawn, and by whom."""

from __future__ import annotations

from tollkeeper.domain.lease import AMOUNT_MAX, Answer, Ask, Draw, Figures
from tollkeeper.domain.limit import Limit, Unit

NEVER_S = float("inf")
UNITS: dict[Unit, int] = {"usd": 0, "requests": 1, "tokens": 2, "concurrent": 3}
"""Where a unit stands in `Need`."""

RECALL_US = 1_200_000
"""In this time every living replica has given back what it does not need."""

Need = tuple[int, int, int, int]
"""What a call needs at most: nano-USD, requests, tokens, calls at once."""

USD, CONCURRENT = UNITS["usd"], UNITS["concurrent"]


class LocalLease:
    """A lease as its holder knows it: `free` is what may be drawn, less than 0 when calls came to more than reserved.

    `amount` is the store's as of the last answer, less what is being given back. A lease ends in the store only when
    `is_drained`: no call draws on it, and the store has everything that did.
    """

    __slots__ = (
        "amount",
        "asked",
        "ends_s",
        "figures",
        "free",
        "high",
        "id",
        "is_asking",
        "is_exact",
        "is_lost",
        "limit",
        "low",
        "node",
        "open_calls",
        "operation",
        "unflushed",
        "used",
        "used_at_s",
    )

    def __init__(self, lease_id: bytes, node: LocalNode, *, now_s: float) -> None:
        self.id, self.node = lease_id, node
        self.operation = 0
        self.amount = self.free = 0
        self.open_calls = self.unflushed = 0
        self.asked: Ask | None = None  # until it is known what became of it
        self.is_asking = False  # it is on its way; else it is to be asked again
        self.high = AMOUNT_MAX  # when `free` rises above this, because calls came to less, some of it is given back
        self.low = 0  # when `free` falls below this, more is asked for ahead of need
        self.is_lost = False  # in quarantine: it cannot even be closed
        self.ends_s = NEVER_S  # when its window ends, by our own clock
        self.is_exact = False  # nothing may lie idle in it
        self.figures: Figures | None = None
        self.limit = self.used = 0  # the figures' own, on the path of every call
        self.used_at_s = now_s

    @property
    def is_drained(self) -> bool:
        return self.open_calls == 0 and self.unflushed == 0 and self.asked is None

    def let_go(self) -> None:
        """Let no new call draw on it; it is closed once it is drained."""
        if self.node.lease is self:
            self.node.lease = None
            self.node.old.append(self)


class LocalNode:
    """A budget on the path of this replica's calls, and the lease that new calls draw on, if any."""

    __slots__ = (
        "ask_at_s",
        "call",
        "denial",
        "drawn",
        "drawn_since_s",
        "is_gone",
        "is_hard",
        "is_turn_of_first",
        "lease",
        "limit",
        "named_s",
        "old",
        "organization_id",
        "unit",
        "waiting",
    )

    def __init__(self, organization_id: str, limit: Limit, *, now_s: float) -> None:
        self.organization_id, self.limit = organization_id, limit
        self.unit = UNITS[limit.unit]
        self.is_hard = limit.is_hard
        self.lease: LocalLease | None = None
        self.old: list[LocalLease] = []  # of windows that have ended, until the last call on them is in the database
        self.named_s = now_s  # when a key last named it
        self.is_gone = False  # the store has had no such budget any more since then: nothing is held to it
        self.waiting: dict[Waiter, None] = {}  # calls that could not draw on it, in the order they came
        self.is_turn_of_first = False  # the first that waits is asked for next, whoever needs less
        self.denial: Denial | None = None
        self.ask_at_s = 0.0  # not before: an exhausted budget is not asked for at every call
        self.drawn, self.drawn_since_s = 0, now_s
        self.call = 0  # what the last call needed


class Denial:
    """The store's last refusal of a node: when it was asked, and what it said.

    It `is_final` when what other replicas hold cannot help any more, or never could.
    """

    __slots__ = ("answer", "asked_at_s", "is_final")

    def __init__(self, ask: Ask, answer: Answer, *, asked_at_s: float) -> None:
        self.answer, self.asked_at_s = answer, asked_at_s
        left = answer.figures.left if answer.figures is not None else 0
        is_enough_elsewhere = answer.others > 0 and left + answer.others >= ask.need
        self.is_final = answer.outcome == "stopped" or answer.recalled_us >= RECALL_US or not is_enough_elsewhere

    @property
    def left(self) -> int:
        """What nobody has used or holds, which a call that needs less may still get."""
        figures = self.answer.figures
        return max(figures.left, 0) if figures is not None and self.answer.outcome == "denied" else 0


class Waiter:
    """A call that waits for leases. `usd_min` is what it can do with when what it would like does not fit."""

    __slots__ = ("came_s", "need", "path", "usd_min")

    def __init__(self, path: Path, need: Need, usd_min: int, *, now_s: float) -> None:
        self.path, self.need, self.usd_min, self.came_s = path, need, usd_min, now_s

    def least(self, node: LocalNode) -> int:
        """Return what the call needs of a node at least."""
        return self.usd_min if node.unit == USD else self.need[node.unit]


Path = tuple[LocalNode, ...]


class Drawn:
    """What one call has drawn: a lease, the amount and the draw for each budget on its path.

    `draws` are those that are journaled: calls at once are not, they end with the process. It ends once, by
    `LeaseBook.settle`, which lets the draws say what the call came to, or by `LeaseBook.release`.
    """

    __slots__ = ("draws", "need", "parts")

    def __init__(self, parts: list[tuple[LocalLease, int, Draw]], draws: tuple[Draw, ...], need: Need) -> None:
        self.parts, self.draws, self.need = parts, draws, need
