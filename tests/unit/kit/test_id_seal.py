"""Sealed ids: good for their owner alone, in every process, and not to be made by anybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kit.id_seal import IdSeal

SEAL = IdSeal(b"k" * 32)
OWNER = ("response", "org_a", "proj_a", "openai", "")


def test_an_id_is_opened_by_its_owner_alone() -> None:
    sealed = SEAL.seal("resp_1", OWNER)
    assert sealed.startswith("resp_1_tk")
    assert IdSeal(b"k" * 32).open(sealed, OWNER) == "resp_1"
    for place in range(len(OWNER)):
        other = (*OWNER[:place], OWNER[place] + "x", *OWNER[place + 1 :])
        assert SEAL.open(sealed, other) is None
    assert IdSeal(b"j" * 32).open(sealed, OWNER) is None


def test_parts_of_an_owner_cannot_be_shifted_into_each_other() -> None:
    sealed = SEAL.seal("resp_1", ("ab", "c"))
    assert SEAL.open(sealed, ("a", "bc")) is None


@pytest.mark.parametrize("given_id", ["", "resp_1", "resp_1_tk", f"_tk{'A' * 22}", f"resp_1_tk{'A' * 22}", "é" * 30])
def test_what_was_not_sealed_is_not_opened(given_id: str) -> None:
    assert SEAL.open(given_id, OWNER) is None


def test_every_changed_character_is_noticed() -> None:
    sealed = SEAL.seal("resp_1", OWNER)
    for place in range(len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        assert SEAL.open(changed, OWNER) is None, changed


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=80))
def test_any_id_comes_back(raw: str) -> None:
    assert SEAL.open(SEAL.seal(raw, OWNER), OWNER) == raw
