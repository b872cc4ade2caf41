"""Whether SQLite's file is still the one that was opened: open connections go on in a deleted file as if nothing was."""

from __future__ import annotations

import os

from tollkeeper.domain.errors import StoreUnavailable


class DatabaseFile:
    """A database's file, remembered by its inode. Safe to check from any thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Remember the file at the first look that finds one; afterwards it must be the same.

        Raises:
            StoreUnavailable: it is gone, or another one has its name.
        """
        try:
            status = os.stat(self.path)  # noqa: PTH116  # twice per flush
        except FileNotFoundError:
            found = None
        else:
            found = status.st_dev, status.st_ino
        if self._identity is None:
            self._identity = found
        elif found != self._identity:
            what = "was deleted" if found is None else "was replaced by another one"
            message = (
                f"The database file {self.path} {what} while it was in use. Usage records wait in the journal: put"
                " the file back, or restart to go on with what is there."
            )
            raise StoreUnavailable(message)
