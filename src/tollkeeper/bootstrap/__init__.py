"""The composition root: settings in, a replica out. The one place that knows every part; it decides nothing else."""

from __future__ import annotations

from tollkeeper.bootstrap.replica import Replica, check_ready, make_replica

__all__ = ["Replica", "check_ready", "make_replica"]
