"""Bugs to plant, one at a time: what could be wrong in the lease book, the store's rules, the journal and the replay.

Each is a context manager that makes one thing wrong. `CAUGHT_BY` names a seed that notices it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import msgspec
from tests.simulation import memory_store, process
from tests.simulation.memory_store import LeaseRow, MemoryStore
from tests.simulation.process import SimulatedJournal, StoreClient

from tollkeeper.domain import lease_asks
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.lease import LeaseState
from tollkeeper.domain.lease_book import ALIVE_S, LeaseBook
from tollkeeper.domain.local_lease import CONCURRENT, NEVER_S, LocalLease
from tollkeeper.journal import replay
from tollkeeper.journal.format import Kind
from tollkeeper.journal.insertion import RecordInserter
from tollkeeper.journal.segments import Segment
from tollkeeper.journal.writer import Journal

Plant = Callable[[], AbstractContextManager[None]]
MUTANTS: dict[str, Plant] = {}


def mutant(plant: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
    MUTANTS[plant.__name__] = contextmanager(plant)
    return plant


@contextmanager
def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Put what `make` makes of it in an attribute's place."""
    before = owner.__dict__[name]
    with mock.patch.object(owner, name, make(before)):
        yield


# The store's rules.


@mutant
def escrow_is_released_when_a_replica_is_silent() -> Iterator[None]:
    def make(reap: Any) -> Any:
        def reap_and_end(store: MemoryStore) -> None:
            reap(store)
            for lease in store.leases.values():
                if lease.state is LeaseState.SUSPENSE:
                    store._end(lease)

        return reap_and_end

    with replaced(MemoryStore, "reap", make):
        yield


@mutant
def quarantine_is_closed_by_a_clean_restart() -> Iterator[None]:
    def make(reclaim: Any) -> Any:
        def reclaim_more(store: MemoryStore, holder: str, *, is_exact: bool) -> int:
            for lease in store.of_holder[holder]:
                if is_exact and lease.state is LeaseState.QUARANTINE:
                    store._end(lease)
            return int(reclaim(store, holder, is_exact=is_exact))

        return reclaim_more

    with replaced(MemoryStore, "reclaim", make):
        yield


@mutant
def a_broken_journal_counts_as_whole() -> Iterator[None]:
    def make(reclaim: Any) -> Any:
        return lambda store, holder, *, is_exact: reclaim(store, holder, is_exact=True)

    with replaced(MemoryStore, "reclaim", make):
        yield


@mutant
def the_guard_of_a_grant_is_gone() -> Iterator[None]:
    with (
        mock.patch.object(MemoryStore, "_fits", return_value=True),
        mock.patch.object(memory_store, "_granted", lambda ask, node, replicas: max(ask.need, ask.exact, ask.want)),
    ):
        yield


@mutant
def a_repeated_operation_is_done_again() -> Iterator[None]:
    with mock.patch.object(MemoryStore, "_is_repeated", return_value=False):
        yield


@mutant
def an_older_operation_is_done_after_a_newer_one() -> Iterator[None]:
    with mock.patch.object(MemoryStore, "_is_repeated", lambda store, ask, lease: ask.operation == lease.operation):
        yield


@mutant
def what_is_used_is_converted_twice() -> Iterator[None]:
    def make(convert: Any) -> Any:
        def convert_again(store: MemoryStore, lease: LeaseRow) -> None:
            before = lease.converted
            convert(store, lease)
            store.nodes[lease.node].used += lease.converted - before

        return convert_again

    with replaced(MemoryStore, "_convert", make):
        yield


@mutant
def records_that_are_known_count_again() -> Iterator[None]:
    def make(insert_usage: Any) -> Any:
        def insert(store: MemoryStore, records: Any) -> int:
            for record in records:
                for draw in record.draws if record.call_id in store.records else ():
                    if draw.lease_id in store.leases:
                        store._consume(store.leases[draw.lease_id], draw.amount)
            return int(insert_usage(store, records))

        return insert

    with replaced(MemoryStore, "insert_usage", make):
        yield


@mutant
def what_a_call_cost_beyond_its_reservation_is_not_booked() -> Iterator[None]:
    def make(consume: Any) -> Any:
        def consume_less(store: MemoryStore, lease: LeaseRow, amount: int) -> None:
            consume(store, lease, max(0, min(amount, lease.amount - lease.consumed)))

        return consume_less

    with replaced(MemoryStore, "_consume", make):
        yield


@mutant
def what_leases_hold_is_carried_over_too() -> Iterator[None]:
    def make(carried: Any) -> Any:
        def carry_all(store: MemoryStore, live: Any, window: Any) -> int:
            return live.amount if carried(store, live, window) else 0

        return carry_all

    with replaced(MemoryStore, "_carried", make):
        yield


@mutant
def what_is_given_back_stays_in_the_escrow() -> Iterator[None]:
    def make(change: Any) -> Any:
        def change_lease_only(store: MemoryStore, lease: LeaseRow, node: Any, by: int) -> None:
            change(store, lease, node, by)
            node.escrow -= min(by, 0)

        return change_lease_only

    with replaced(MemoryStore, "_change", make):
        yield


@mutant
def quarantine_ends_with_a_sign_of_life() -> Iterator[None]:
    def make(pulse: Any) -> Any:
        def pulse_and_open(store: MemoryStore, holder: str, *, is_beating: bool) -> Any:
            for lease in store.of_holder[holder]:
                if lease.state is LeaseState.QUARANTINE:
                    lease.state = LeaseState.OPEN
            return pulse(store, holder, is_beating=is_beating)

        return pulse_and_open

    with replaced(MemoryStore, "pulse", make):
        yield


# The lease book.


@mutant
def a_call_draws_on_all_but_its_first_budget() -> Iterator[None]:
    def make(path: Any) -> Any:
        return lambda book, organization_id, limits, *, now_s: path(book, organization_id, limits, now_s=now_s)[1:]

    with replaced(LeaseBook, "path", make):
        yield


@mutant
def what_is_given_back_is_drawn_on_meanwhile() -> Iterator[None]:
    def make(ask: Any) -> Any:
        def ask_and_keep(lease: LocalLease, **amounts: Any) -> Any:
            made = ask(lease, **amounts)
            lease.free += made.give_back
            lease.amount += made.give_back
            return made

        return ask_and_keep

    with replaced(lease_asks, "_ask", make):
        yield


@mutant
def a_draw_leaves_its_lease_as_it_was() -> Iterator[None]:
    def make(draw: Any) -> Any:
        def draw_freely(book: LeaseBook, path: Any, need: Any, now_s: float) -> Any:
            drawn = draw(book, path, need, now_s)
            for lease, amount, _ in drawn.parts if drawn else ():
                lease.free += amount
            return drawn

        return draw_freely

    with replaced(LeaseBook, "draw", make):
        yield


@mutant
def a_draw_need_not_fit_its_lease() -> Iterator[None]:
    def make(draw: Any) -> Any:
        def draw_beyond(book: LeaseBook, path: Any, need: Any, now_s: float) -> Any:
            were = [node.is_hard for node in path]
            for node in path:
                node.is_hard = node.is_hard and (node.lease is None or node.lease.free <= 0)
            drawn = draw(book, path, need, now_s)
            for node, was in zip(path, were, strict=True):
                node.is_hard = was
            return drawn

        return draw_beyond

    with replaced(LeaseBook, "draw", make):
        yield


@mutant
def a_replica_draws_without_signs_of_life() -> Iterator[None]:
    def make(beaten: Any) -> Any:
        def live_forever(book: LeaseBook, *, asked_at_s: float) -> None:
            beaten(book, asked_at_s=asked_at_s)
            book.alive_until_s = NEVER_S

        return live_forever

    with replaced(LeaseBook, "beaten", make):
        yield


@mutant
def a_lease_is_drawn_on_after_its_window() -> Iterator[None]:
    def make(answered: Any) -> Any:
        def without_an_end(book: LeaseBook, ask: Any, answer: Any, *, asked_at_s: float) -> None:
            answered(book, ask, msgspec.structs.replace(answer, ends_in_us=None), asked_at_s=asked_at_s)

        return without_an_end

    with replaced(LeaseBook, "answered", make):
        yield


@mutant
def leases_that_others_ended_in_a_silence_are_drawn_on() -> Iterator[None]:
    def beaten(book: LeaseBook, *, asked_at_s: float) -> None:
        book.alive_until_s = max(book.alive_until_s, asked_at_s + ALIVE_S)

    def make(heard: Any) -> Any:
        return lambda book, pulse: heard(book, msgspec.structs.replace(pulse, lost=()))

    def make_answered(answered: Any) -> Any:
        def keep(book: LeaseBook, ask: Any, answer: Any, *, asked_at_s: float) -> None:
            if answer.outcome == "lost" and not ask.is_closing:
                amount = book.leases[ask.lease_id].amount
                answer = msgspec.structs.replace(answer, outcome="done", amount=amount)
            answered(book, ask, answer, asked_at_s=asked_at_s)

        return keep

    with (
        mock.patch.object(LeaseBook, "beaten", beaten),
        replaced(LeaseBook, "heard", make),
        replaced(LeaseBook, "answered", make_answered),
    ):
        yield


@mutant
def a_lease_is_closed_before_its_records_are_stored() -> Iterator[None]:
    def is_drained(lease: LocalLease) -> bool:
        return lease.open_calls == 0 and lease.asked is None

    with mock.patch.object(LocalLease, "is_drained", property(is_drained)):
        yield


@mutant
def a_lease_is_closed_under_its_calls() -> Iterator[None]:
    def is_drained(lease: LocalLease) -> bool:
        return lease.unflushed == 0 and lease.asked is None

    with mock.patch.object(LocalLease, "is_drained", property(is_drained)):
        yield


@mutant
def what_a_failed_ask_gave_back_is_taken_again() -> Iterator[None]:
    def make(failed: Any) -> Any:
        def take_again(book: LeaseBook, asks: Any, *, now_s: float) -> None:
            failed(book, asks, now_s=now_s)
            for ask in asks:
                lease = book.leases[ask.lease_id]
                lease.asked = None
                lease.free += ask.give_back
                lease.amount += ask.give_back

        return take_again

    with replaced(LeaseBook, "failed", make):
        yield


@mutant
def a_failed_ask_is_never_asked_again() -> Iterator[None]:
    def make(failed: Any) -> Any:
        def drop(book: LeaseBook, asks: Any, *, now_s: float) -> None:
            failed(book, asks, now_s=now_s)
            for ask in asks:
                book.leases[ask.lease_id].is_asking = True

        return drop

    with replaced(LeaseBook, "failed", make):
        yield


@mutant
def calls_at_once_never_come_back() -> Iterator[None]:
    def make(settle: Any) -> Any:
        def settle_all_but_these(book: LeaseBook, drawn: Any, nanos: int, tokens: int) -> Any:
            draws = settle(book, drawn, nanos, tokens)
            for lease, amount, _ in drawn.parts:
                if lease.node.unit == CONCURRENT:
                    lease.free -= amount
            return draws

        return settle_all_but_these

    with replaced(LeaseBook, "settle", make):
        yield


@mutant
def what_was_drawn_too_much_comes_back_twice() -> Iterator[None]:
    def make(settle: Any) -> Any:
        def settle_twice(book: LeaseBook, drawn: Any, nanos: int, tokens: int) -> Any:
            for lease, amount, _ in drawn.parts:
                actual = (nanos, 1, tokens, 0)[lease.node.unit]
                lease.free += max(0, amount - actual)
            return settle(book, drawn, nanos, tokens)

        return settle_twice

    with replaced(LeaseBook, "settle", make):
        yield


@mutant
def an_answer_forgets_the_calls_under_way() -> Iterator[None]:
    def make(answered: Any) -> Any:
        def forget(book: LeaseBook, ask: Any, answer: Any, *, asked_at_s: float) -> None:
            lease = book.leases[ask.lease_id]
            answered(book, ask, answer, asked_at_s=asked_at_s)
            if answer.figures is not None:
                lease.free = max(lease.free, answer.amount // 2)

        return forget

    with replaced(LeaseBook, "answered", make):
        yield


@mutant
def recalls_are_not_heard() -> Iterator[None]:
    def make(heard: Any) -> Any:
        return lambda book, pulse: heard(book, msgspec.structs.replace(pulse, recalled=()))

    def make_answered(answered: Any) -> Any:
        def keep(book: LeaseBook, ask: Any, answer: Any, *, asked_at_s: float) -> None:
            answered(book, ask, msgspec.structs.replace(answer, is_exact=False), asked_at_s=asked_at_s)

        return keep

    with replaced(LeaseBook, "heard", make), replaced(LeaseBook, "answered", make_answered):
        yield


# Journal and replay.


@mutant
def calls_without_an_end_are_dropped_at_replay() -> Iterator[None]:
    def make(take: Any) -> Any:
        return lambda slot_replay, frame: None if frame.kind == Kind.RESERVE else take(slot_replay, frame)

    with replaced(replay._SlotReplay, "_take", make):
        yield


@mutant
def leases_are_reclaimed_before_the_replay() -> Iterator[None]:
    def make(replay_slot: Any) -> Any:
        async def reclaim_first(slot: Any, store: Any, *, leases: Any, **options: Any) -> Any:
            await leases.reclaim(slot.name, is_exact=True)
            return await replay_slot(slot, store, leases=leases, **options)

        return reclaim_first

    with replaced(process, "replay_slot", make), replaced(replay, "replay_slot", make):
        yield


@mutant
def a_failed_flush_counts_as_done() -> Iterator[None]:
    def make(insert: Any) -> Any:
        async def insert_or_not(inserter: RecordInserter, records: Any) -> int:
            try:
                return int(await insert(inserter, records))
            except StoreUnavailable:
                return 0

        return insert_or_not

    with replaced(RecordInserter, "insert", make):
        yield


@mutant
def more_is_noted_as_flushed_than_is() -> Iterator[None]:
    def make(append_flushed: Any) -> Any:
        return lambda journal, sequence: append_flushed(journal, journal._sequence)

    with replaced(Journal, "append_flushed", make):
        yield


@mutant
def a_segment_goes_before_its_records_are_stored() -> Iterator[None]:
    with mock.patch.object(Segment, "is_finished", lambda segment, flushed: segment.open_count == 0):
        yield


@mutant
def a_segment_goes_with_its_open_calls() -> Iterator[None]:
    with mock.patch.object(Segment, "is_finished", lambda segment, flushed: segment.last_settlement <= flushed):
        yield


@mutant
def safe_mode_does_not_sync() -> Iterator[None]:
    with mock.patch.object(SimulatedJournal, "sync", return_value=True):
        yield


@mutant
def settled_calls_are_booked_as_crashed_too() -> Iterator[None]:
    def make(crashed_record: Any) -> Any:
        def under_another_id(reservation: Any) -> Any:
            record = crashed_record(reservation)
            return msgspec.structs.replace(record, call_id=bytes(reversed(record.call_id)))

        return under_another_id

    with replaced(replay, "crashed_record", make):
        yield


@mutant
def a_crashed_call_draws_on_nothing() -> Iterator[None]:
    def make(crashed_record: Any) -> Any:
        return lambda reservation: msgspec.structs.replace(crashed_record(reservation), draws=())

    with replaced(replay, "crashed_record", make):
        yield


@mutant
def every_replay_leaves_the_leases_open() -> Iterator[None]:
    async def nothing(client: StoreClient, holder: str, *, is_exact: bool) -> int:
        return 0

    with mock.patch.object(StoreClient, "reclaim", nothing):
        yield


CAUGHT_BY: dict[str, int] = {
    "escrow_is_released_when_a_replica_is_silent": 5,
    "quarantine_is_closed_by_a_clean_restart": 14,
    "a_broken_journal_counts_as_whole": 1,
    "the_guard_of_a_grant_is_gone": 0,
    "a_repeated_operation_is_done_again": 1,
    "an_older_operation_is_done_after_a_newer_one": 3,
    "what_is_used_is_converted_twice": 0,
    "records_that_are_known_count_again": 1,
    "what_a_call_cost_beyond_its_reservation_is_not_booked": 3,
    "what_leases_hold_is_carried_over_too": 26,
    "what_is_given_back_stays_in_the_escrow": 0,
    "quarantine_ends_with_a_sign_of_life": 1,
    "a_call_draws_on_all_but_its_first_budget": 0,
    "what_is_given_back_is_drawn_on_meanwhile": 1,
    "a_draw_leaves_its_lease_as_it_was": 0,
    "a_draw_need_not_fit_its_lease": 0,
    "a_replica_draws_without_signs_of_life": 409,
    "a_lease_is_drawn_on_after_its_window": 2,
    "leases_that_others_ended_in_a_silence_are_drawn_on": 400,
    "a_lease_is_closed_before_its_records_are_stored": 2,
    "a_lease_is_closed_under_its_calls": 2,
    "what_a_failed_ask_gave_back_is_taken_again": 6,
    "a_failed_ask_is_never_asked_again": 0,
    "calls_at_once_never_come_back": 0,
    "what_was_drawn_too_much_comes_back_twice": 0,
    "an_answer_forgets_the_calls_under_way": 0,
    "recalls_are_not_heard": 0,
    "calls_without_an_end_are_dropped_at_replay": 3,
    "leases_are_reclaimed_before_the_replay": 0,
    "a_failed_flush_counts_as_done": 1,
    "more_is_noted_as_flushed_than_is": 27,
    "a_segment_goes_before_its_records_are_stored": 89,
    "a_segment_goes_with_its_open_calls": 5,
    "safe_mode_does_not_sync": 37,
    "settled_calls_are_booked_as_crashed_too": 1,
    "a_crashed_call_draws_on_nothing": 1,
    "every_replay_leaves_the_leases_open": 0,
}
