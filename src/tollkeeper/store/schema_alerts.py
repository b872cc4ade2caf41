"""The tables of alerts and explanations: thresholds, what was fired, where it goes, and refused calls."""

from __future__ import annotations
