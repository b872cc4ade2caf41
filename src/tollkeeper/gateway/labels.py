"""Labels of a call: the `x-tollkeeper-labels` header and the body's `metadata`, bounded and checked."""

from __future__ import annotations

import re

from tollkeeper.domain.errors import InvalidRequest

LABELS_MAX = 16
VALUE_LENGTH_MAX = 128
_NAME = re.compile(r"[\w.\-]{1,64}")


def read_labels(header: bytes | None, metadata: dict[str, str]) -> dict[str, str]:
    """Return a call's labels. The header is ours, so what is wrong in it is refused; `metadata` is the provider's too,
    so what does not make a label there is left out.

    Raises:
        InvalidRequest: the header is not `name=value,name=value`, or has too much of it.
    """
    if not header and not metadata:
        return {}
    labels = {
        name: value
        for name, value in list(metadata.items())[:LABELS_MAX]
        if _NAME.fullmatch(name) and len(value) <= VALUE_LENGTH_MAX and value.isprintable()
    }
    if not header:
        return labels
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("is not UTF-8") from None
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not name and not equals:
            continue
        if not equals or not _NAME.fullmatch(name):
            raise _refused("must look like feature=search,purpose=eval: names of letters, digits, _ . -")
        if len(value) > VALUE_LENGTH_MAX or not value.isprintable():
            raise _refused(f"has a value for '{name}' of more than {VALUE_LENGTH_MAX} characters, or not printable")
        labels[name] = value
    if len(labels) > LABELS_MAX:
        raise _refused(f"and metadata give more than {LABELS_MAX} labels")
    return labels


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"The header x-tollkeeper-labels {why}.", param="x-tollkeeper-labels")
