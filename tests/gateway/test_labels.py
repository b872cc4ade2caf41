"""Labels of a call: bounded, checked, ours refused when wrong, the provider's left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.label import LABELS_MAX, VALUE_LENGTH_MAX
from tollkeeper.gateway.labels import read_labels


@pytest.mark.parametrize(
    ("header", "labels"),
    [
        (None, {}),
        (b"", {}),
        (b",,", {}),
        (b"feature=search", {"feature": "search"}),
        (b" feature = search , purpose=eval ", {"feature": "search", "purpose": "eval"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=", {"a": ""}),
        (b"a=1,a=2", {"a": "2"}),
        ("팀=x".encode(), {"팀": "x"}),
        ("team=브리지".encode(), {"team": "브리지"}),
        (b"team=\xff", None),
        (b"no equals", None),
        (b"=value", None),
        (b"bad name=1", None),
        (b"n" * 65 + b"=1", None),
        (b"a=" + b"v" * (VALUE_LENGTH_MAX + 1), None),
        (b"a=\x07", None),
        (",".join(f"l{number}=1" for number in range(LABELS_MAX + 1)).encode(), None),
    ],
)
def test_the_header_is_read_or_refused(header: bytes | None, labels: dict[str, str] | None) -> None:
    if labels is not None:
        assert read_labels(header, {}) == labels
        return
    with pytest.raises(InvalidRequest) as refused:
        read_labels(header, {})
    assert refused.value.param == "x-tollkeeper-labels"


def test_metadata_that_makes_no_label_is_left_out() -> None:
    metadata = {"good": "1", "bad name": "1", "long": "v" * 200, "control": "a\nb"}
    assert read_labels(None, metadata) == {"good": "1"}


def test_the_header_wins_over_metadata() -> None:
    assert read_labels(b"team=header", {"team": "body", "other": "x"}) == {"team": "header", "other": "x"}


@given(st.binary(max_size=60), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=20))
def test_labels_stay_within_their_bounds_whatever_comes(header: bytes, metadata: dict[str, str]) -> None:
    try:
        labels = read_labels(header, metadata)
    except InvalidRequest:
        return
    assert len(labels) <= LABELS_MAX
    assert all(len(value) <= VALUE_LENGTH_MAX for value in labels.values())
