"""The page of what a call is counted and priced by: billable classes, cost states, outcomes, price tiers."""

from __future__ import annotations

from scripts.reference.markdown import code, page, table
from scripts.reference.sources import member_comments

from tollkeeper.domain.price import PRICE_TIERS
from tollkeeper.domain.usage import FEE_DIMENSIONS, INPUT_DIMENSIONS, UNIT_DIMENSIONS, CostState, Dimension, Outcome

MEANINGS = {
    Dimension.INPUT: "Input tokens that are in no other class: text that came from no cache and went into none.",
    Dimension.CACHE_READ: "Input tokens read from the provider's prompt cache.",
    Dimension.CACHE_WRITE_5M: "Input tokens written into the prompt cache for 5 minutes.",
    Dimension.CACHE_WRITE_30M: "Input tokens written into the prompt cache for 30 minutes.",
    Dimension.CACHE_WRITE_1H: "Input tokens written into the prompt cache for 1 hour.",
    Dimension.CACHE_WRITE_12H: "Input tokens written into the prompt cache for 12 hours.",
    Dimension.OUTPUT: "Output tokens that are in no other class, reasoning included.",
    Dimension.INPUT_AUDIO: "Input tokens of audio.",
    Dimension.CACHE_READ_AUDIO: "Input tokens of audio read from the prompt cache.",
    Dimension.OUTPUT_AUDIO: "Output tokens of audio.",
    Dimension.INPUT_IMAGE: "Input tokens of images.",
    Dimension.CACHE_READ_IMAGE: "Input tokens of images read from the prompt cache.",
    Dimension.OUTPUT_IMAGE: "Output tokens of images.",
    Dimension.WEB_SEARCH: "Searches of the web that the provider made for the call.",
    Dimension.FILE_SEARCH: "Searches of stored files that the provider made for the call.",
    Dimension.GROUNDING: "Google searches of Gemini: each query, or each prompt that was grounded (2.5 and earlier).",
    Dimension.CODE_SESSION: "Containers that the provider ran code in.",
    Dimension.CHARACTERS: "Characters of a text that was spoken.",
    Dimension.SECONDS: "Seconds of audio that was listened to, rounded up.",
    Dimension.IMAGE: "Images, where each is billed; `image:QUALITY:SIZE` is one of a quality and a size.",
}

INTRODUCTION = """\
A call's usage is kept in disjoint classes: every token, and every use of a tool that is paid for, is in exactly one of them,
so that quantity times price, added up, is the charge. How a provider's usage becomes these classes: [how a call is metered and
priced](../how-to/meter-and-price.md). These names are what `tollkeeper prices add --dimension` takes."""


def render() -> str:
    """Return the page."""
    classes = [(code(each), _side(each), MEANINGS[each]) for each in Dimension]
    return page(
        "Billable classes",
        INTRODUCTION,
        table(("class", "counts as", "meaning"), classes),
        "Everything that counts as input, cached or not, decides whether a long-context price holds. What counts as a fee or as "
        "a unit is no token: quotas of tokens and sums of tokens leave it out.",
        "## How an amount came about",
        table(("cost state", "meaning"), _commented(CostState)),
        "## How a call ended",
        table(("outcome", "meaning"), _commented(Outcome)),
        "## Price tiers",
        ", ".join(code(tier) for tier in PRICE_TIERS)
        + ". A tier that a model has no price for is unpriced; no other tier's price stands in for it.",
    )


def _side(dimension: Dimension) -> str:
    if dimension in FEE_DIMENSIONS:
        return "fee"
    if dimension in UNIT_DIMENSIONS:
        return "unit"
    return "input" if dimension in INPUT_DIMENSIONS else "output"


def _commented(members: type[CostState | Outcome]) -> list[tuple[str, str]]:
    comments = member_comments(members)
    return [
        (code(value), _sentence(comment) or "The provider's answer came whole.") for value, comment in comments.items()
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
