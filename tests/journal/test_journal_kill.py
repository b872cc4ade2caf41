"""kill -9: everything that a process acknowledged is in the books afterwards, exactly once.

Goal: nothing printed may be lost, whatever instant the process dies at. Method: twenty processes in a row share one
journal directory; each is killed after a random amount of output; replay into the same store follows each time.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from journal_fakes import MemoryStore, record

from tollkeeper.domain.usage import Outcome
from tollkeeper.journal.replay import replay

KILLS = 20


def run_and_kill(directory: Path, store: Path, output_bytes: int) -> bytes:
    child = Path(__file__).with_name("journal_child.py")
    with subprocess.Popen(
        [sys.executable, str(child), str(directory), str(store)], stdout=subprocess.PIPE, cwd=child.parent
    ) as process:
        assert process.stdout is not None
        output = b""
        while len(output) < output_bytes:
            piece = os.read(process.stdout.fileno(), 65_536)
            assert piece, "the child must not end by itself"
            output += piece
        process.kill()
        return output + process.stdout.read()


async def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    directory, committed = tmp_path / "journal", tmp_path / "store"
    store, rng = MemoryStore(), random.Random(20)
    for _ in range(KILLS):
        output = run_and_kill(directory, committed, rng.randrange(17, 100_000))
        said = [(output[at : at + 1], output[at + 1 : at + 17]) for at in range(0, len(output) - 16, 17)]
        in_database = committed.read_bytes() if committed.exists() else b""
        for at in range(0, len(in_database), 16):
            call_id = in_database[at : at + 16]
            store.records.setdefault(call_id, record(call_id, amount_nanos=int.from_bytes(call_id[-4:], "big")))
        report = await replay(directory, store)
        assert not report.damaged
        settled = {call_id for what, call_id in said if what == b"S"}
        for what, call_id in said:
            booked = store.records[call_id]
            if call_id in settled:
                assert booked.outcome is Outcome.COMPLETE, what
                assert booked.amount_nanos == int.from_bytes(call_id[-4:], "big")
            else:
                assert booked.outcome in (Outcome.CRASHED, Outcome.COMPLETE)
    assert list(directory.glob("*/*.journal")) == []
