"""Tollkeeper: an AI API gateway that keeps the money straight."""
