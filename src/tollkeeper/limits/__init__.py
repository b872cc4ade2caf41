"""Holds calls to their limits in memory: leases on budgets, rates per minute; the store is asked off the path."""
