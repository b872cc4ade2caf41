"""The static files of the pages: read from the package, named by their digest so that browsers may keep them for ever, sent packed."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

PREFIX = "/assets/"
_DIGEST_LENGTH = 16
_IS_TEXT = frozenset({".css", ".js", ".svg"})


class Asset(NamedTuple):
    """A file as it is sent; `packed` is its gzip, empty for what does not get smaller."""

    media_type: str
    body: bytes
    packed: bytes


@cache
def addresses() -> dict[str, str]:
    """Return where each file is: its name in the folder -> its address, without the host."""
    return {name: _address(name, file.read_bytes()) for name, file in _files()}


@cache
def find_asset(path: str) -> Asset | None:
    """Return what is at an address; None when there is nothing, or it was another version's."""
    name = next((name for name, address in addresses().items() if address == path), None)
    if name is None:
        return None
    body = files(__package__).joinpath("static", *name.split("/")).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = any(name.endswith(each) for each in _IS_TEXT)
    packed = gzip.compress(body, 9, mtime=0) if is_text else b""
    return Asset(f"{kind}; charset=utf-8" if is_text else kind, body, packed)


def _files() -> Iterator[tuple[str, Traversable]]:
    for each in sorted(files(__package__).joinpath("static").iterdir(), key=lambda file: file.name):
        if each.is_file():
            yield each.name, each
        else:
            yield from ((f"{each.name}/{inner.name}", inner) for inner in each.iterdir() if inner.name.endswith(".js"))


def _address(name: str, body: bytes) -> str:
    stem, _, ending = name.rpartition("/")[2].rpartition(".")
    return f"{PREFIX}{stem}.{hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]}.{ending}"
