"""The journal: what makes a call's money survive the death of the process; nothing here knows prices or SQL."""
