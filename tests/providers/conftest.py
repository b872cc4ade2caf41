"""Lets the providers' tests use the administration API's factories."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "admin"))
