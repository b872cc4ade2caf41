"""The outermost names that a call is decided by: none may be spelled otherwise, and none may stand twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.json_body import load

_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class DecisiveNames:
    """What Tollkeeper decides by in one dialect: the provider's parser may take another one of two that mean the same.

    `uncounted` are names on which no count depends, and whose readers see every part of them.
    """

    def __init__(self, names: Collection[str], *, uncounted: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self._by_letters = {name.replace("_", "").casefold(): name for name in self.names}
        self._quoted = {name: b'"%b"' % name.encode() for name in self.names - set(uncounted)}

    def read(self, body: bytes) -> dict[str, msgspec.Raw]:
        """Return the outermost members of a body that is valid JSON.

        Raises:
            InvalidRequest: one is a decisive name in another spelling.
            msgspec.DecodeError: a name cannot be read.
        """
        members = _decode_names(body)
        joined = "".join(members)
        if not (joined.islower() and joined.isascii()):
            self.check_spelling(members)
        return members

    def quoted(self, members: Iterable[str]) -> list[bytes]:
        """Return the decisive names among members as they stand in a body."""
        quoted = self._quoted
        return [quoted[name] for name in members if name in quoted]

    def is_ambiguous(self, body: bytes, quoted: list[bytes]) -> bool:
        """Tell whether a decisive name of the outermost object occurs more than once or escaped, anywhere in the body.

        Raises:
            InvalidRequest: it stands twice in the outermost object, where parsers differ on which one counts.
        """
        for each in quoted:
            if body.count(each) > 1:
                break
        else:
            if not (body.find(b"\\u00") >= 0 and _ESCAPED_LETTER.search(body)):
                return False
        outermost: list[tuple[str, Any]] = []

        def remember(pairs: list[tuple[str, Any]]) -> None:
            outermost[:] = pairs  # the outermost object is closed last

        load(body, remember)
        seen: set[str] = set()
        for name, _ in outermost:
            if name in self.names and name in seen:
                raise InvalidRequest(f"'{name}' stands twice in the body.", param=name)
            seen.add(name)
        return True

    def check_spelling(self, names: Collection[str]) -> None:
        """Pass when each decisive name is spelled as it is here.

        Go's encoding/json takes `Max_Tokens` for `max_tokens`, and the Kelvin sign for a `k`; JSON for protocol buffers
        takes `maxTokens` for it (pkg.go.dev/encoding/json#Unmarshal, protobuf.dev/programming-guides/json).
        """
        for name in names:
            meant = self._by_letters.get(name.casefold().replace("_", ""), name)
            if meant != name:
                raise InvalidRequest(f"'{name}' is not taken: some providers read it as '{meant}'.", param=name)


def is_stated(value: msgspec.Raw) -> bool:
    """Tell whether a member is there and is not null."""
    return bool(value) and bytes(memoryview(value)[:4]) != b"null"
