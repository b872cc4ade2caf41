"""Counting tokens when the provider did not say, offline and never on the path of a call."""
