"""What the data plane asks about deployments: which to try first, whether one takes a call now, and what came of it."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.deployment_health import Failure


class Place(Protocol):
    """A call's place at a deployment; exactly one of `serve` and `fail`, or `leave` by itself, ends it."""

    def serve(self) -> None:
        """End it: the call was served, or refused for what it is itself."""
        ...

    def fail(self, failure: Failure) -> None:
        """End it: the deployment did not serve."""
        ...

    def leave(self) -> None:
        """End it without a word about the deployment: the call was given up here."""
        ...


class Deployments(Protocol):
    """What is known of all deployments, from memory."""

    def order(self, route: Route, call_id: bytes) -> tuple[Deployment, ...]:
        """Return a route's usual deployments, those that can serve now before the others; weights go by the call's id."""
        ...

    def enter(self, deployment: Deployment, tokens: int) -> Place | int:
        """Take a place; where a limit of the deployment leaves none, return in how many microseconds to ask again.

        `tokens` is about what the call needs.
        """
        ...

    def rest_us(self, deployment: Deployment) -> int:
        """Return for how many microseconds it is best left alone; 0 when it may be asked."""
        ...
