"""`tollkeeper`, but that syncing the journal's disk fails from the moment on in which the file named by FAULT_FLAG is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tollkeeper.cli.main import run
from tollkeeper.journal.disk import OsDisk

_flag = Path(os.environ["FAULT_FLAG"])
_sync_data = OsDisk.sync_data


def _sync_or_fail(disk: OsDisk, descriptor: int) -> None:
    if _flag.exists():
        raise OSError(errno.EIO, "Input/output error (on purpose)")
    _sync_data(disk, descriptor)


if __name__ == "__main__":
    OsDisk.sync_data = _sync_or_fail  # type: ignore[method-assign]
    run()
