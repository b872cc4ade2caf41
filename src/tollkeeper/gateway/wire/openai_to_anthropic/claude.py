"""What a Claude model takes, told by its name: how it thinks, which efforts it knows, whether sampling can be set. Pure.

Sources, read 2026-11-22: platform.claude.com/docs/en/build-with-claude/{effort,adaptive-thinking,structured-outputs},
…/models/{opus-5,opus-5-5,sonnet-5-5}/migration-guide, openrouter.ai/docs/…/model-migrations/claude-{4-6,4-7,5-5},
docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.md.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

import msgspec

Off = Literal["default", "disabled", "between_tools", "never"]
_FAMILY_FIRST = re.compile(r"(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_VERSION_FIRST = re.compile(r"claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku|instant)")
_NEWEST = (99, 0)
_ADAPTIVE_FROM, _SAMPLING_UNTIL = (4, 6), (4, 6)
_LEVELS = ("low", "medium", "high", "xhigh", "max")


class Claude(msgspec.Struct, frozen=True):
    """What one model takes.

    `thinking` is how it can be asked to think; `off` what turns it off: nothing needs to be said ("default"), a type of
    `thinking`, or it cannot be ("never"). `efforts` is empty when it takes none. `samples` says that `temperature`,
    `top_p` and `top_k` are taken; `samples_both` that the first two are taken together.
    """

    thinking: Literal["none", "budget", "adaptive"]
    off: Off
    efforts: tuple[str, ...]
    samples: bool
    samples_both: bool
    is_strict: bool
    output_tokens: int
    """The limit for a call that states none."""

    def effort(self, wanted: str) -> str:
        """Return the nearest effort that the model knows, or "" when it takes none."""
        if not self.efforts:
            return ""
        level = _LEVELS.index("low" if wanted in {"none", "minimal"} else wanted)
        return next((each for each in reversed(self.efforts) if _LEVELS.index(each) <= level), self.efforts[0])


@functools.lru_cache(maxsize=256)
def claude(model: str) -> Claude:
    """Return what a model takes. A name that is not known is taken for one of the newest."""
    family, version = _parts(model)
    is_own_kind = family in {"fable", "mythos"}
    if version < (3, 7) and not is_own_kind:
        thinking: Literal["none", "budget", "adaptive"] = "none"
    else:
        thinking = "adaptive" if is_own_kind or version >= _ADAPTIVE_FROM else "budget"
    return Claude(
        thinking=thinking,
        off=_off(family, version),
        efforts=_efforts(family, version),
        samples=version <= _SAMPLING_UNTIL and not is_own_kind,
        samples_both=version < (4, 1),
        is_strict=version >= (4, 5) or is_own_kind,
        output_tokens=4096 if version < (3, 5) else 8192,
    )


def _parts(model: str) -> tuple[str, tuple[int, int]]:
    name = model.lower()
    if found := _VERSION_FIRST.search(name):
        return found[3], (int(found[1]), int(found[2] or 0))
    if found := _FAMILY_FIRST.search(name):
        return found[1], (int(found[2]), int(found[3] or 0))
    return "", (2, 0) if "claude-2" in name else _NEWEST


def _off(family: str, version: tuple[int, int]) -> Off:
    if family in {"fable", "mythos"}:
        return "never"
    if version < (5, 0):
        return "default"
    if family == "sonnet" and version >= (5, 5):
        return "between_tools"
    return "never" if version >= (5, 5) and family != "haiku" else "disabled"


def _efforts(family: str, version: tuple[int, int]) -> tuple[str, ...]:
    first = {"opus": (4, 5), "sonnet": (4, 6), "haiku": (5, 5)}.get(family, (0, 0))
    if version < first:
        return ()
    if version < (4, 6) and family == "opus":
        return _LEVELS[:3]
    return (*_LEVELS[:3], "max") if version < (4, 7) and family in {"opus", "sonnet"} else _LEVELS
