"""How wide the columns of a table are when it is wider than the terminal."""

from __future__ import annotations

from tollkeeper.cli import listing


def test_columns_are_never_narrower_than_their_longest_word_while_there_is_room() -> None:
    cells = [("id", "kind", "note"), ("x" * 30, "promotional", "many words " * 20)]
    widths = listing._widths(cells, 80)
    assert widths[:2] == [30, 11]
    assert sum(widths) + 2 * 2 == 80
    assert sum(listing._widths(cells, 20)) + 2 * 2 == 20
