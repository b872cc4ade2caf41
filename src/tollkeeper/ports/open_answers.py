"""Answers that go on until somebody ends them: which of them a server that stops need not wait for."""

from __future__ import annotations

ENDS_AT_STOP = "ends_at_stop"
"""Set in a request's `state` by whoever answers it, when the client comes back by itself and nothing is lost meanwhile."""
