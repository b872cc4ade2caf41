"""The two nginx configurations: the upstream that answers at once, and the yardstick, a bare reverse proxy."""

from __future__ import annotations

from pathlib import Path

from bench.dialects import Dialect, answer_of

STATUS_PATH = "/_served"


def upstream_configuration(folder: Path, *, port: int) -> str:
    """One worker that answers every call with the fixed answer of its path's dialect and counts them at /_served."""
    places: dict[str, Dialect] = {"/": "openai", "= /v1/messages": "anthropic", "/v1beta/": "gemini"}
    answers = "".join(
        f"""
        location {place} {{ default_type application/json; return 200 '{answer_of(dialect).decode()}'; }}"""
        for place, dialect in places.items()
    )
    return _configuration(
        folder,
        f"""
    server {{
        listen 127.0.0.1:{port};{answers}
        location = {STATUS_PATH} {{ stub_status; }}
    }}""",
    )


def proxy_configuration(folder: Path, *, port: int, calls_port: int, streams_port: int) -> str:
    """One worker that forwards /v1/ to the upstream and /streams/v1/ to the stream server, unbuffered."""
    return _configuration(
        folder,
        f"""
    upstream calls {{ server 127.0.0.1:{calls_port}; keepalive 256; keepalive_requests 1000000000; }}
    upstream streams {{ server 127.0.0.1:{streams_port}; keepalive 256; keepalive_requests 1000000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port};
        location /v1/ {{ proxy_pass http://calls; }}
        location /streams/v1/ {{ proxy_pass http://streams/v1/; proxy_buffering off; }}
    }}""",
    )


def _configuration(folder: Path, servers: str) -> str:
    temporary = "\n".join(
        f"    {name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
{temporary}
{servers}
}}
"""
