"""The tables of the ledger: accounts, transactions and their entries, credit grants and what became of them."""

from __future__ import annotations
