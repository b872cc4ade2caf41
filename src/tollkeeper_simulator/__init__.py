"""A simulated AI provider that keeps its own exact bill; it imports nothing of tollkeeper."""

from __future__ import annotations

from tollkeeper_simulator.server import Simulator
from tollkeeper_simulator.settings import Settings

__all__ = ["Settings", "Simulator"]
