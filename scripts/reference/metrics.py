"""The page of every figure of `/metrics`, with its labels and what they may hold."""

from __future__ import annotations

from scripts.reference.markdown import code, page, table

from tollkeeper.observability.label_names import BROUGHT, MODELS_MAX, OTHER
from tollkeeper.observability.metric_list import METRICS, WORKER, Metric, bounds_of

INTRODUCTION = """\
What `GET /metrics` says, in Prometheus' text format or as OpenMetrics. Who may read it, and what to do with it:
[observing Tollkeeper](../how-to/observe.md). A figure without a value yet is named and has no line. All of them begin at nothing
when a process starts."""

LABELS: dict[str, str] = {
    "class": "A [billable class](dimensions.md), without quality and size.",
    "dialect": "The client's: `openai`, `anthropic` or `gemini`.",
    "model": f"The model as its provider names it. At most {MODELS_MAX}, and only those that settings or catalogue name; "
    f"every other one is `{OTHER}`.",
    "name": "The background job.",
    "operation": "What was asked for: `chat.completions`, `messages`, `embeddings` and so on; "
    f"`{OTHER}` for requests that call no model.",
    "outcome": "How the call [ended](dimensions.md#how-a-call-ended).",
    "provider": f"The provider as the settings name it; `{BROUGHT}` for all that organizations brought.",
    "python": "The version of Python.",
    "reason": "Of a refusal the [code](errors.md); of a lost try the fault, or the provider's status.",
    "result": "`exported`, `failed` or `dropped`.",
    "state": "Of a cost its [cost state](dimensions.md#how-an-amount-came-about); of connections `busy` or `idle`.",
    "status": "The class of the provider's status, such as `2xx`, or `none`; of a refusal the status itself.",
    "unit": "`usd`, `requests`, `tokens` or `concurrent`.",
    "version": "The version of Tollkeeper.",
    WORKER: "Where `tollkeeper serve` has several workers: which of them. All lines have it then.",
}


def render() -> str:
    """Return the page."""
    rows = [(code(each.name), each.kind, ", ".join(map(code, each.labels)), _meaning(each)) for each in METRICS]
    histograms = [
        (code(each.name), _seconds(each, 0), _seconds(each, -1)) for each in METRICS if each.kind == "histogram"
    ]
    return page(
        "Metrics",
        INTRODUCTION,
        table(("name", "kind", "labels", "meaning"), rows),
        "## Labels",
        "No label holds a key, a person, a project, an organization or a text that somebody else chose.",
        table(("label", "what it holds"), [(code(name), meaning) for name, meaning in LABELS.items()]),
        "## Buckets",
        "The bounds of a histogram double from the first to the last.",
        table(("histogram", "first bound", "last bound"), histograms),
    )


def _meaning(metric: Metric) -> str:
    return metric.meaning.replace("`", "")


def _seconds(metric: Metric, at: int) -> str:
    return f"{bounds_of(metric)[at] / 1_000_000:g} s"
