"""What is added to genai-prices' data when the catalogue is compiled: `price-additions.toml`, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

ADDITIONS = Path(__file__).resolve().with_name("price-additions.toml")
PICOS_PER_USD = 10**12
_FEES = {"web_search", "grounding", "file_search"}


class Additions:
    """What `price-additions.toml` adds to the data; everything in it must be of use."""

    def __init__(self, stated: dict[str, Any]) -> None:
        self._stated = stated
        self._unused = {json_line([row, name]) for row in self._rows() for name in row.get("models", [row.get("with")])}

    def entries(self, provider: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return a provider's models, added ones first, with what is added to their prices."""
        by_id = {entry["id"]: entry for entry in known}
        new = [self._new(model, by_id) for model in self._stated["model"] if model["provider"] == provider]
        for entry in [*new, *known]:
            for row in self._rows():
                if row["provider"] == provider and self._is_meant(row, entry):
                    self._add(row, entry)
        return [*new, *known]

    def check_used(self) -> None:
        assert not self._unused, f"additions that nothing needs: {sorted(self._unused)}"

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {**row, "read": row["read"].isoformat()}
            for kind in ("price", "window", "tier")
            for row in self._stated[kind]
        ]

    def _is_meant(self, row: dict[str, Any], entry: dict[str, Any]) -> bool:
        name = row.get("with") or entry["id"]
        if "with" in row:
            is_meant = any(name in key.split() for tiers in _tiers_of(entry) for key in tiers)
        else:
            is_meant = name in row["models"]
        if is_meant:
            self._unused.discard(json_line([row, name]))
        return is_meant

    def _new(self, model: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> dict[str, Any]:
        names = [["equals", name] for name in model["names"]]
        entry: dict[str, Any] = {"provider": model["provider"], "id": model["id"], "match": ["or", *names]}
        versions: list[dict[str, Any]] = [{"tiers": {"standard": {}}}]
        if "tokens_of" in model:
            other = by_id[model["tokens_of"]]
            if "context_window" in other:
                entry["context_window"] = other["context_window"]
            standard = other["versions"][-1]["tiers"]["standard"]
            tokens = {key: price for key, price in standard.items() if not key.endswith("_search")}
            versions = [{"tiers": {"standard": tokens}}]
        return entry | {"versions": versions}

    def _add(self, row: dict[str, Any], entry: dict[str, Any]) -> None:
        if "weekdays" in row:
            for version in entry["versions"]:
                if "windows" in version:
                    version["windows"] = [[*window[:2], row["weekdays"]] for window in version["windows"]]
            return
        if "percent" in row:
            self._add_tier(row, entry)
            return
        dimension = row["dimension"]
        entry.setdefault("sources", {})[dimension] = f"{row['source']}, read {row['read']}"
        for tiers in _tiers_of(entry):
            assert all(dimension not in key.split() for key in tiers), f"{dimension} has a price already"
            if "of" not in row:
                tiers[dimension] = [pico(Decimal(row["usd"]), row.get("per", 1), is_rounded=False)]
                continue
            price = next((price for key, price in tiers.items() if row["of"] in key.split()), None)
            if price is not None:
                base, *thresholds = price
                tiers[dimension] = [base * row["times"], *([over, each * row["times"]] for over, each in thresholds)]

    def _add_tier(self, row: dict[str, Any], entry: dict[str, Any]) -> None:
        entry.setdefault("sources", {})[f"{row['tier']} tier"] = f"{row['source']}, read {row['read']}"
        for version in entry["versions"]:
            assert row["tier"] not in version["tiers"], f"{row['tier']} has prices already"
            version["tiers"][row["tier"]] = {
                key: price
                if key in _FEES
                else [_part(price[0], row), *([over, _part(each, row)] for over, each in price[1:])]
                for key, price in version["tiers"]["standard"].items()
            }


def _part(pico: int, row: dict[str, Any]) -> int:
    part, rest = divmod(pico * row["percent"], 100)
    assert rest == 0, f"{row['percent']} % of {pico} is finer than a pico-USD"
    return part


def _tiers_of(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for version in entry["versions"]:
        yield from version["tiers"].values()


def pico(usd: Decimal, per: int, *, is_rounded: bool) -> int:
    exact = usd * PICOS_PER_USD / per
    assert is_rounded or exact == exact.to_integral_value(), f"{usd} USD per {per} is finer than a pico-USD"
    assert exact >= 0, "a price below zero"
    return int(exact.to_integral_value())  # half to even


def json_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
