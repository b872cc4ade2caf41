"""The counting child: answers requests on its pipes until the server closes them or dies."""

from __future__ import annotations

import signal
import sys
from typing import BinaryIO

from tollkeeper.tokens.counter import count_tokens
from tollkeeper.tokens.pipe import LENGTH, decode_request, message


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in turn; returns when the other side is gone."""
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        request = decode_request(requests.read(LENGTH.unpack(head)[0]))
        answers.write(message(count_tokens(request.model, request.texts)))
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server: it drains, and counts while it does
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    serve(sys.stdin.buffer, sys.stdout.buffer)
