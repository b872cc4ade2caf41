"""Labels of a call: the `x-tollkeeper-labels` header and the body's `metadata`, bounded and checked."""

from __future__ import annotations

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.label import LABELS_MAX, check_label


def read_labels(header: bytes | None, metadata: dict[str, str]) -> dict[str, str]:
    """Return a call's labels. The header is ours, so what is wrong in it is refused; `metadata` is the provider's too,
    so what does not make a label there is left out.

    Raises:
        InvalidRequest: the header is not `name=value,name=value`, or has too much of it.
    """
    if not header and not metadata:
        return {}
    labels = {name: value for name, value in list(metadata.items())[:LABELS_MAX] if not check_label(name, value)}
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
        if not equals:
            raise _refused("must look like feature=search,purpose=eval")
        if fault := check_label(name, value):
            raise _refused(f"must look like feature=search,purpose=eval: {fault}")
        labels[name] = value
    if len(labels) > LABELS_MAX:
        raise _refused(f"and metadata give more than {LABELS_MAX} labels")
    return labels


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"The header x-tollkeeper-labels {why}.", param="x-tollkeeper-labels")
