"""Whose the files are that lie at providers: add, find, list, remove; those that expired a day ago are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.provider_file import ProviderFile
from tollkeeper.kit import clock
from tollkeeper.store.schema_tenancy import provider_file as table
from tollkeeper.store.usage_rows import KEY_BYTES, TEXT_BYTES, storable_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.provider_file import FileQuestion
    from tollkeeper.ports.files import Files
    from tollkeeper.store.engine import Store

_DAY_US = 86_400_000_000
_KEY = ("organization_id", "project_id", "id")
_PLACE = ("provider", "credential_id")


class StoreFiles:
    """Satisfies `ports.files.Files` over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        insert: Any = sqlite.insert if store.dialect == "sqlite" else postgresql.insert
        statement = insert(table)
        self._upsert = statement.on_conflict_do_update(  # a provider may give the same file the same id again
            index_elements=_KEY,
            set_={name: statement.excluded[name] for name in ProviderFile.__struct_fields__ if name not in _KEY},
            where=_all(table.c[name] == statement.excluded[name] for name in _PLACE),
        ).returning(table.c.id)

    async def add(self, file: ProviderFile) -> bool:
        """See `ports.files.Files`."""
        row = msgspec.structs.asdict(file)
        for name, bytes_max in (("purpose", KEY_BYTES), ("filename", TEXT_BYTES)):
            row[name] = storable_text(row[name], bytes_max)
        expired = delete(table).where(table.c.expires_at_us < clock.now_us() - _DAY_US)

        async def work(connection: AsyncConnection) -> bool:
            await connection.execute(expired)
            return (await connection.execute(self._upsert, row)).one_or_none() is not None

        return await self._store.write(work)

    async def find(self, organization_id: str, project_id: str, file_id: str) -> ProviderFile | None:
        """See `ports.files.Files`."""
        query = select(table).where(_is(organization_id, project_id, file_id))

        async def work(connection: AsyncConnection) -> ProviderFile | None:
            row = (await connection.execute(query)).mappings().one_or_none()
            return ProviderFile(**row) if row else None

        return await self._store.read(work)

    async def list_files(self, question: FileQuestion) -> list[ProviderFile] | None:
        """See `ports.files.Files`."""
        place = (table.c.created_at_us, table.c.id)
        query = select(table).where(
            table.c.organization_id == question.organization_id,
            table.c.project_id == question.project_id,
            or_(table.c.expires_at_us.is_(None), table.c.expires_at_us > clock.now_us()),
        )
        if question.purpose:
            query = query.where(table.c.purpose == question.purpose)
        order = [column.asc() if question.is_oldest_first else column.desc() for column in place]

        async def work(connection: AsyncConnection) -> list[ProviderFile] | None:
            wanted = query
            if question.after:
                found = _is(question.organization_id, question.project_id, question.after)
                before = (await connection.execute(select(*place).where(found))).one_or_none()
                if before is None:
                    return None
                here = tuple_(*place)
                wanted = wanted.where(here > tuple(before) if question.is_oldest_first else here < tuple(before))
            rows = await connection.execute(wanted.order_by(*order).limit(question.limit))
            return [ProviderFile(**row) for row in rows.mappings()]

        return await self._store.read(work)

    async def remove(self, organization_id: str, project_id: str, file_id: str) -> None:
        """See `ports.files.Files`."""
        gone = delete(table).where(_is(organization_id, project_id, file_id))
        await self._store.write(lambda connection: connection.execute(gone))


def _is(organization_id: str, project_id: str, file_id: str) -> ColumnElement[bool]:
    return _all(
        table.c[name] == value for name, value in zip(_KEY, (organization_id, project_id, file_id), strict=True)
    )


def _all(conditions: Any) -> ColumnElement[bool]:
    return and_(*conditions)


if TYPE_CHECKING:

    def _is_the_port(files: StoreFiles) -> Files:
        return files
