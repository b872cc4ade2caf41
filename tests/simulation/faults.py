"""All that goes wrong in the simulation, one after the other by chance, and the quiet end at which everything must add up."""

from __future__ import annotations

import errno
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from tests.simulation.ledger_of_truth import Violation
from tests.simulation.rot import rot

from tollkeeper.domain.lease import LeaseState

if TYPE_CHECKING:
    from tests.simulation.memory_store import LeaseRow
    from tests.simulation.process import Call, Process
    from tests.simulation.world import Machine, World

PROBE_NANOS = 1


class Faults:
    """What happens to one world."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, world.rng
        self._kinds = {
            self.store_away: 3,
            self.network_bad: 4,
            self.kill: 5,
            self.lose_power: 2,
            self.hang: 4,
            self.machine_gone: 1,
            self.shut_down: 3,
            self.disk_fault: 3,
            self.disk_full: 1,
            self.write_back: 4,
            self.change_budget: 6,
            self.delete_budget: 1,
            self.toggle_hard: 1,
            self.stop_node: 1,
            self.decide_quarantine: 4,
        }
        # Each world has its own troubles, so that some live long enough to see the rarer ones.
        self._kinds = {kind: weight * self._rng.choice((0, 0, 1, 1, 4)) for kind, weight in self._kinds.items()}
        self._kinds[self.write_back] = 4
        self._pause_s = self._rng.choice((1.0, 3.0, 10.0, 30.0))
        self._is_probing = False
        self._doubt = ""

    # While it runs.

    def happen(self) -> None:
        """Let the next thing happen."""
        if self._world.is_ending:
            return
        kind = self._rng.choices(list(self._kinds), list(self._kinds.values()))[0]
        kind()
        self._world.scheduler.after(self._rng.expovariate(1 / self._pause_s), self.happen)

    def store_away(self) -> None:
        self._count("store away")
        network = self._world.network
        network.is_away = True
        self._world.scheduler.after(self._rng.choice((0.5, 5, 40)), lambda: setattr(network, "is_away", False))

    def network_bad(self) -> None:
        self._count("network bad")
        network = self._world.network
        network.loss = self._rng.choice((0.05, 0.3))
        self._world.scheduler.after(self._rng.choice((2, 20)), lambda: setattr(network, "loss", self._world.terms.loss))

    def kill(self) -> None:
        if self._world.processes:
            self._count("kill -9")
            process = self._rng.choice(self._world.processes)
            self._world.tell(f"killed {process.holder}")
            process.kill()
            if self._rng.random() < 0.1 and rot(process.slot.path, self._rng):
                self._world.truth.unsure.add(process.holder)
                process.machine.disk.write_back_all()  # else the frame behind the damage may go: a torn tail, it seems
                self._count("journal damaged")

    def lose_power(self) -> None:
        machine = self._machine()
        if machine is not None:
            self._count(f"power lost, {machine.durability}")
            self._end_all_of(machine)
            machine.disk.lose_power()
            self._world.truth.unsure |= {f"machine{machine.number}-{slot}" for slot in (0, 1)}
            machine.boots += 1

    def machine_gone(self) -> None:
        machine = self._machine()
        alive = [each for each in self._world.machines if not each.is_dead]
        if machine is not None and len(alive) > 1:
            self._count("machine gone")
            self._end_all_of(machine)
            machine.is_dead = True

    def hang(self) -> None:
        running = [process for process in self._world.processes if not process.is_hung]
        if running:
            self._count("hung")
            process = self._rng.choice(running)
            process.hang()
            seconds = self._rng.choice((0.5, 20, 28, 45, 70))
            for _ in range(self._rng.choice((0, 10))):  # they stand at its door until it goes on
                call = self._world.new_call(process)
                process.after(self._rng.uniform(0, seconds + 0.3), partial(process.arrive, call))
            self._world.scheduler.after(seconds, partial(self._resume, process))

    def _resume(self, process: Process) -> None:
        process.resume()
        self._world.tell(f"{process.holder} goes on")

    def give_up_silent(self) -> None:
        """A person takes a replica for dead that was silent for long: its journal will not be waited for."""
        suspended = sorted(
            {each.holder for each in self._world.store.leases.values() if each.state is LeaseState.SUSPENSE}
        )
        hung = {process.holder for process in self._world.processes if process.is_hung}
        for holder in suspended:
            if holder not in hung or self._world.is_ending:
                continue
            self._count("taken for dead")
            self._world.store.reclaim(holder, is_exact=False)
            for lease in self._world.store.of_holder[holder]:
                if lease.state is LeaseState.QUARANTINE and self._rng.random() < 0.7:
                    self._world.store.settle_quarantined(lease.id, self._billed_of(lease))
                    self._world.truth.forget_at_once(lease)

    def shut_down(self) -> None:
        serving = [each for each in self._world.processes if each.is_serving and not each.is_closing]
        if serving:
            self._count("shut down begun")
            process = self._rng.choice(serving)
            process.enter(lambda: process.spawn(process.shut_down()))

    def disk_fault(self) -> None:
        machine = self._machine()
        if machine is not None:
            self._count("disk fault")
            self._world.truth.unsure |= {f"machine{machine.number}-{slot}" for slot in (0, 1)}
            machine.disk.code = self._rng.choice((errno.EIO, errno.ENOSPC))
            machine.disk.fault = self._rng.choice(("write", "short", "sync_data", "create"))

    def disk_full(self) -> None:
        machine = self._machine()
        if machine is not None:
            disk = machine.disk
            disk.free = 0
            self._world.scheduler.after(5.0, lambda: setattr(disk, "free", 1 << 40))

    def write_back(self) -> None:
        for machine in self._world.machines:
            machine.disk.write_back()

    def change_budget(self) -> None:
        store = self._world.store
        if not store.budgets:
            return
        before = self._rng.choice(list(store.budgets.values()))
        permille = self._rng.choice((500, 800, 900, 1000, 1100, 1500))
        self._count("limit lowered" if permille < 1000 else "limit raised")
        self._write(msgspec.structs.replace(before, amount=max(1, before.amount * permille // 1000)))

    def delete_budget(self) -> None:
        """A budget goes; another of the same kind comes in its place."""
        store, now_us = self._world.store, self._world.scheduler.now_us
        if not store.budgets:
            return
        self._count("budget deleted")
        old = self._rng.choice(list(store.budgets.values()))
        store.delete_budget(old.id)
        if self._rng.random() < 0.8:
            name = f"{old.id[:3]}-{now_us}"
            store.write_budget(msgspec.structs.replace(old, id=name, created_at_us=now_us))
        self._tell()

    def toggle_hard(self) -> None:
        if not self._world.store.budgets:
            return
        before = self._rng.choice(list(self._world.store.budgets.values()))
        self._count("hard or soft")
        self._write(msgspec.structs.replace(before, is_hard=not before.is_hard))

    def stop_node(self) -> None:
        nodes = list(self._world.store.nodes.values())
        if nodes:
            node = self._rng.choice(nodes)
            node.stopped_at_us = self._world.scheduler.now_us
            self._world.scheduler.after(self._rng.choice((1, 10)), lambda: setattr(node, "stopped_at_us", None))

    def decide_quarantine(self) -> None:
        """A person compares the provider's bill, or counts all of it."""
        for lease in list(self._world.store.leases.values()):
            owner = next((each for each in self._world.processes if each.holder == lease.holder), None)
            if lease.state is LeaseState.QUARANTINE and self._rng.random() < 0.5:
                self._count("quarantine ended")
                amount = None if self._rng.random() < 0.3 else self._billed_of(lease)
                self._world.store.settle_quarantined(lease.id, amount)
            elif lease.state is LeaseState.SUSPENSE and (owner is None or owner.is_hung) and self._rng.random() < 0.1:
                self._count("suspense ended by force")
                self._world.store.settle_quarantined(lease.id, None)

    # At the end.

    def end(self) -> None:
        """Everybody comes back, and everything adds up."""
        world = self._world
        world.is_ending = True
        self._calm()
        self._end_processes()
        world.run_for(25.0)  # replays, and the leases of the dead
        for process in world.processes:
            if not process.is_serving:
                raise Violation(f"{process.holder} does not serve")
        for holder in {lease.holder for lease in world.store.leases.values()}:
            if any(machine.is_dead and holder.startswith(f"machine{machine.number}-") for machine in world.machines):
                world.reclaiming(holder, is_exact=False)
                world.store.reclaim(holder, is_exact=False)
        for lease in list(world.store.leases.values()):
            if lease.state is LeaseState.QUARANTINE:
                world.store.settle_quarantined(lease.id, self._billed_of(lease))
        self._probe()
        for process in list(world.processes):
            process.machine.wanted = 0
            process.enter(partial(process.spawn, process.shut_down()))
        world.run_for(30.0)
        world.store.reap()
        world.truth.check(world.scheduler.now_us)
        self._add_up()

    def _end_processes(self) -> None:
        """Half of the processes shut down in order, and hold nothing then; the others are killed."""
        world = self._world
        for process in list(world.processes):
            if self._rng.random() < 0.5 or not process.is_serving or process.is_hung or process.is_closing:
                process.kill()
        world.run_for(8.0)
        for process in list(world.processes):
            if process.is_serving and not process.is_closing:
                process.enter(partial(process.spawn, process.shut_down()))
        world.run_for(15.0)

    def shut_down_with(self, process: Process) -> None:
        """A process that ended in order could not give everything back."""
        if self._world.is_ending and not process.is_dying:
            raise Violation(f"{process.holder} shut down with {len(process.book.leases)} leases")

    def refused(self, process: Process, call: Call, budget_id: str) -> None:
        """A call was refused. When all is quiet, nobody may hold what it lacked."""
        if not self._is_probing:
            return
        world = self._world
        live = world.store.budgets.get(budget_id)
        if live is None:
            raise Violation(f"refused for {budget_id}, which is no more")
        if live.unit == "concurrent" and live.id not in world.truth.changed:
            open_calls = sum(len(each.calls) for each in world.processes)
            if live.amount > open_calls:
                self._doubt = f"refused for {budget_id}, {live.amount} at once, while {open_calls} are under way"
        node = world.store.nodes.get((budget_id, world.window(live, world.scheduler.now_us).start_us))
        if node is None:
            self._doubt = f"refused for {budget_id}, whose window had ended just then"
            return
        idle = sum(
            max(0, lease.free)
            for each in world.processes
            for lease in each.book.leases.values()
            if lease.node.limit.budget_id == budget_id and lease.node.lease is lease
        )
        least = {"usd": call.nanos_min, "requests": 1, "tokens": call.need[2], "concurrent": 1}[live.unit]
        if node.head + idle >= least:
            self._doubt = f"refused for {least} of {budget_id}, of which {node.head} is left and {idle} idle"

    def gave_up(self, process: Process, call: Call) -> None:
        if self._is_probing:
            raise Violation(f"a call with {call.key} waited in vain")

    def _probe(self) -> None:
        """Use up what every key may use, in small calls, from every process."""
        world = self._world
        world.run_for(40.0)
        self._is_probing = True
        for _ in range(10):
            for process in world.processes:
                for key in world.keys:
                    self._try(process, key, tries=2)
        world.run_for(6.0)
        self._is_probing = False

    def _try(self, process: Process, key: str, *, tries: int) -> None:
        """Make a call. A refusal for what others were just giving back is right; once they have had the time, it is not."""
        world, self._doubt = self._world, ""
        nanos = max(1, min(self._left(key) // 4, world.terms.usd_max))
        call = world.new_call(process, key=key, nanos=nanos)
        call.nanos_min, call.true_nanos, call.duration_s = 1, nanos, 0.01
        process.enter(lambda: process.arrive(call))
        world.run_for(0.05)
        if self._doubt and tries == 0:
            raise Violation(self._doubt)
        if self._doubt:
            world.run_for(2.0)
            self._try(process, key, tries=tries - 1)

    def _left(self, key: str) -> int:
        world, found = self._world, [world_max := 1 << 40]
        for limit in world.limits_of(key):
            live = world.store.budgets[limit.budget_id]
            node = world.store.nodes.get((live.id, world.window(live, world.scheduler.now_us).start_us))
            if live.unit == "usd" and live.is_hard:
                found.append(node.head if node is not None else live.amount)
        return min(found) if found else world_max

    def _add_up(self) -> None:
        world, store = self._world, self._world.store
        world.truth.check_records()
        for lease in store.leases.values():
            if lease.state is not LeaseState.CLOSED:
                raise Violation(f"lease {lease.id.hex()} of {lease.holder} is {lease.state.value} at the end")
        for node in store.nodes.values():
            if node.escrow:
                raise Violation(f"{node.key}: escrow {node.escrow} at the end")
        for call in world.calls.values():
            record = store.records.get(call.id)
            if call.is_forwarded and record is None and not call.may_be_lost:
                raise Violation(f"call {call.id.hex()} was forwarded by {call.holder} and is not in the books")
        self._compare_sums()

    def _compare_sums(self) -> None:
        """What the records came to is what their nodes count, and the provider billed no more than that."""
        world, store = self._world, self._world.store
        drawn: dict[tuple[str, int], int] = defaultdict(int)
        for call in world.calls.values():
            record = store.records.get(call.id)
            if record is None or call.drawn is None:
                continue
            came_to = {"usd": record.amount_nanos or 0, "requests": 1}
            for lease, _, _ in call.drawn.parts:
                unit, row = lease.node.limit.unit, store.leases[lease.id]
                if unit in came_to:
                    drawn[row.node] += came_to[unit]
        for key, node in store.nodes.items():
            if store.units[key[0]] in {"usd", "requests"}:
                booked = sum(lease.booked for lease in store.of_node[key])
                if node.used - node.opened_used - booked != drawn[key]:
                    raise Violation(f"{key}: {node.used} used at the end, {drawn[key]} by records")

    # Tools.

    def _calm(self) -> None:
        world = self._world
        world.network.is_away, world.network.loss, world.terms.loss = False, 0.0, 0.0
        for machine in world.machines:
            machine.disk.fault, machine.disk.free = "", 1 << 40
        for node in world.store.nodes.values():
            node.stopped_at_us = None

    def _billed_of(self, lease: LeaseRow) -> int:
        """Return what the provider billed for a lease's calls: those in the books, and those that are lost."""
        world, billed = self._world, lease.consumed
        hung = [call for process in world.processes if process.is_hung for call in process.calls.values()]
        calls = {call.id: call for call in (*hung, *world.truth.unrecorded.values())}
        for call in calls.values():
            if call.id in world.store.records or call.drawn is None:
                continue
            for local, _, _ in call.drawn.parts:
                if local.id == lease.id:
                    billed += {0: call.true_nanos, 1: 1, 2: call.true_tokens, 3: 0}[local.node.unit]
        return min(billed, max(lease.amount, lease.consumed))  # overruns that are lost stay lost

    def _write(self, row: object) -> None:
        world, truth = self._world, self._world.truth
        world.store.write_budget(row)  # type: ignore[arg-type]
        budget_id = row.id  # type: ignore[attr-defined]
        truth.changed.add(budget_id)
        for key, node in world.store.nodes.items():
            if key[0] != budget_id:
                continue
            if not row.is_hard:  # type: ignore[attr-defined]
                truth.unlimited.add(key)
            world.store._take_terms(node)
            truth.lowered(node)
        self._tell()

    def _tell(self) -> None:
        """Replicas hear of changed limits a little later."""
        for process in self._world.processes:
            process.after(self._rng.uniform(0.1, 2.0), process.refresh)

    def _machine(self) -> Machine | None:
        alive = [machine for machine in self._world.machines if not machine.is_dead]
        return self._rng.choice(alive) if alive else None

    def _end_all_of(self, machine: Machine) -> None:
        for process in list(self._world.processes):
            if process.machine is machine:
                process.kill()

    def _count(self, what: str) -> None:
        self._world.figures[what] += 1
        self._world.tell(what)
