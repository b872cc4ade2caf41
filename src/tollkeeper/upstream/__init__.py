"""Outbound HTTP: one pooled HTTP/1.1 client for calls to providers. It knows bytes and deadlines, no dialects."""
