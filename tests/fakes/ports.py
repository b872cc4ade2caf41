"""Fakes of the data plane's ports: a directory, a ledger that insists on one end per reservation, prices, a token counter.

Every fake writes what it was asked into one shared `log`, so that a test can see what came before what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tollkeeper.domain.access import INFERENCE_PERMISSIONS
from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.errors import DirectoryUnavailable, LimitsUnavailable, QuotaExceeded, StoreUnavailable
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.price import ModelPrices, PriceBook, PriceVersion
from tollkeeper.domain.provider_file import FileQuestion, ProviderFile
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.tenancy import OrganizationId, ProjectId
from tollkeeper.domain.usage import RateFigure, UsageRecord
from tollkeeper.ports.budgets import Wanted
from tollkeeper.ports.directory import Directory
from tollkeeper.ports.files import Files
from tollkeeper.ports.ledger import Ledger
from tollkeeper.ports.limiter import Admission, Headers, Limiter
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.tokens import TokenCounter

Log = list[str]


class FakeDirectory:
    """Knows the keys that it was given. `is_away` makes every look-up fail."""

    def __init__(self, log: Log, keys: dict[bytes, ApiKey]) -> None:
        self._log, self._keys = log, keys
        self._warm: set[bytes] = set()
        self.is_away = False

    def recall(self, digest: bytes) -> ApiKey | None:
        return self._keys.get(digest) if digest in self._warm else None

    async def find(self, digest: bytes) -> ApiKey | None:
        self._log.append("look up")
        await asyncio.sleep(0)
        if self.is_away:
            raise DirectoryUnavailable("The database is out of reach.")
        key = self._keys.get(digest)
        if key is not None:
            self._warm.add(digest)
        return key


class RecordingLedger:
    """Keeps what was reserved and settled, and fails at once when a reservation ends twice or never began."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.reservations: dict[bytes, Reservation] = {}
        self.records: dict[bytes, UsageRecord] = {}
        self.is_full = False
        self.is_safe = False  # wait for the disk before returning, as the journal's safe mode does

    async def reserve(self, reservation: Reservation) -> None:
        if self.is_full:
            raise LimitsUnavailable("The journal is full.")
        if self.is_safe:
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # cancelled here, nothing is owed
        self._log.append("reserve")
        assert reservation.call_id not in self.reservations, "reserved twice"
        self.reservations[reservation.call_id] = reservation

    def settle(self, record: UsageRecord) -> None:
        self._log.append("settle")
        assert record.call_id in self.reservations, "settled without a reservation"
        assert record.call_id not in self.records, "settled twice"
        self.records[record.call_id] = record

    def assert_balanced(self) -> None:
        """Every reservation has ended."""
        assert self.reservations.keys() == self.records.keys(), "a reservation was left open"

    @property
    def only(self) -> UsageRecord:
        """The record of the only call."""
        self.assert_balanced()
        (record,) = self.records.values()
        return record


class FakeLimiter:
    """Admits everything, counting what is held; `release` must be called once for each admission."""

    figures = (RateFigure("key_a", "requests", 60, 59),)

    def __init__(self, log: Log) -> None:
        self._log = log
        self.held = 0
        self.asked: list[int] = []
        self.released: list[int | None] = []
        self.refusal: Exception | None = None
        self.shown: Headers = [(b"x-ratelimit-limit-requests", b"60")]

    def admit(self, key: ApiKey, models: tuple[str, ...], tokens: int) -> Admission:
        if self.refusal is not None:
            raise self.refusal
        self._log.append("admit")
        self.asked.append(tokens)
        self.held += 1
        return self

    def release(self, tokens: int | None) -> None:
        assert self.held > 0, "released what was not held"
        self.held -= 1
        self.released.append(tokens)

    def headers(self) -> Headers:
        return self.shown


class FakeHeld:
    """What is held for one call; fails at once when it ends twice."""

    def __init__(self, budgets: FakeBudgets, wanted: Wanted, nanos: int) -> None:
        self._budgets, self._wanted, self.nanos = budgets, wanted, nanos
        self.came_to: tuple[int, int] | None = None
        self.is_released = False

    @property
    def draws(self) -> tuple[Draw, ...]:
        return (Draw(b"l" * 16, self.nanos),)

    def settle(self, nanos: int, tokens: int) -> tuple[Draw, ...]:
        self._end()
        self.came_to = (nanos, tokens)
        return (Draw(b"l" * 16, nanos),)

    def release(self) -> None:
        self._end()
        self.is_released = True

    def _end(self) -> None:
        assert self.came_to is None, "ended twice"
        assert not self.is_released, "ended twice"
        self._budgets.open -= 1


class FakeBudgets:
    """Holds everything that fits into `left`; `is_cold` makes every call wait for the store once."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.left = 10**18
        self.is_cold = False
        self.refusal: Exception | None = None
        self.open = 0
        self.held: list[FakeHeld] = []
        self.asked: list[tuple[tuple[str, ...], Wanted]] = []

    def hold(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> FakeHeld | None:
        self.asked.append((tuple(models), wanted))
        return None if self.is_cold or wanted.nanos > self.left else self._make(wanted, wanted.nanos)

    async def wait(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> FakeHeld:
        self._log.append("wait")
        self.asked.append((tuple(models), wanted))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        if wanted.nanos_min > self.left:
            raise QuotaExceeded("Monthly budget exceeded.", scope="project")
        return self._make(wanted, min(wanted.nanos, self.left))

    def _make(self, wanted: Wanted, nanos: int) -> FakeHeld:
        self._log.append("hold")
        self.open += 1
        self.held.append(FakeHeld(self, wanted, nanos))
        return self.held[-1]


class FakeFiles:
    """Keeps the files of all projects in a dictionary. `is_away` makes every question fail."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], ProviderFile] = {}
        self.is_away = False

    async def add(self, file: ProviderFile) -> bool:
        self._check()
        kept = self.kept.setdefault((file.organization_id, file.project_id, file.id), file)
        return (kept.provider, kept.credential_id) == (file.provider, file.credential_id)

    async def find(self, organization_id: str, project_id: str, file_id: str) -> ProviderFile | None:
        self._check()
        return self.kept.get((organization_id, project_id, file_id))

    async def list_files(self, question: FileQuestion) -> list[ProviderFile] | None:
        self._check()
        owner = (question.organization_id, question.project_id)
        return [file for file in self.kept.values() if (file.organization_id, file.project_id) == owner]

    async def remove(self, organization_id: str, project_id: str, file_id: str) -> None:
        self._check()
        self.kept.pop((organization_id, project_id, file_id), None)

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("The database is out of reach.")


class FakeRefusals:
    """Keeps what was refused."""

    def __init__(self) -> None:
        self.noted: list[RefusedCall] = []

    def note(self, refused: RefusedCall) -> None:
        self.noted.append(refused)


class FakePrices:
    """One price for every model but those called `unpriced`: input 1,000, cached 500, output 4,000 pico-USD a token."""

    def of(self, organization_id: str) -> PriceBook:
        return self

    def find(self, provider: str, model: str) -> ModelPrices | None:
        if "unpriced" in model:
            return None
        rates = (
            Rate("input", 1_000, source="fake"),
            Rate("cache_read", 500, source="fake"),
            Rate("output", 4_000, source="fake"),
        )
        if provider == "anthropic":
            rates += (Rate("cache_write_5m", 1_250, source="fake"), Rate("cache_write_1h", 2_000, source="fake"))
        return ModelPrices(provider, model, (PriceVersion(0, {"standard": rates}),))


class FakeCounter:
    """Counts a token for each word. `hangs` never answers; `fails` breaks the promise never to raise."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.hangs = False
        self.fails = False
        self.asked: list[list[str]] = []

    async def count(self, model: str, texts: list[str]) -> list[int]:
        self._log.append("count")
        self.asked.append(texts)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise RuntimeError("a bug in the counter")
        await asyncio.sleep(0)
        return [len(text.split()) for text in texts]


def make_key(**changes: object) -> ApiKey:
    """Return the record of a project key that may call models."""
    values: dict[str, object] = {
        "organization_id": OrganizationId("org_a"),
        "id": ApiKeyId("key_a"),
        "project_id": ProjectId("proj_a"),
        "name": "a key",
        "kind": KeyKind.SERVICE,
        "status": KeyStatus.ACTIVE,
        "permissions": INFERENCE_PERMISSIONS,
        "created_at_us": 0,
    }
    return ApiKey(**{**values, **changes})  # type: ignore[arg-type]


def _are_files(files: FakeFiles) -> Files:
    return files


def _are_the_ports(
    directory: FakeDirectory, ledger: RecordingLedger, limiter: FakeLimiter, prices: FakePrices, counter: FakeCounter
) -> tuple[Directory, Ledger, Limiter, Prices, TokenCounter]:
    return directory, ledger, limiter, prices, counter
