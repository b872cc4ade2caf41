"""What the data plane asks of the files that lie at providers: whose they are. No hot path asks."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.provider_file import FileQuestion, ProviderFile


class Files(Protocol):
    """The files of all projects. Every method raises StoreUnavailable when the answer cannot be known."""

    async def add(self, file: ProviderFile) -> bool:
        """Note whose a file is; False when the project has one of this id in another place."""
        ...

    async def find(self, organization_id: str, project_id: str, file_id: str) -> ProviderFile | None:
        """Return a file of the project's; None when it has none of this id."""
        ...

    async def list_files(self, question: FileQuestion) -> list[ProviderFile] | None:
        """Return at most `limit` files that have not expired, by time; None when there is no file `after`."""
        ...

    async def remove(self, organization_id: str, project_id: str, file_id: str) -> None:
        """Forget a file."""
        ...
