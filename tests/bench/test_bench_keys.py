"""The 100,000 keys that memory is measured with fit the database's own tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.tollkeeper_setup import insert_keys
from sqlalchemy import create_engine, insert

from tollkeeper.store.columns import metadata
from tollkeeper.store.schema_tenancy import api_key, organization, project


def test_further_keys_belong_to_the_project_and_have_ids_and_digests_of_their_own(tmp_path: Path) -> None:
    database = tmp_path / "tollkeeper.db"
    engine = create_engine(f"sqlite:///{database}")
    key = {
        "organization_id": "org_1",
        "name": "first",
        "kind": "service",
        "pepper_version": 1,
        "status": "active",
        "permissions": "[]",
        "created_at_us": 1,
    }
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(
            insert(organization), {"id": "org_1", "name": "bench", "timezone": "UTC", "created_at_us": 1}
        )
        connection.execute(
            insert(project), {"organization_id": "org_1", "id": "proj_1", "name": "default", "created_at_us": 1}
        )
        connection.execute(insert(api_key), {**key, "id": "admin", "project_id": None, "digest": b"a" * 32})
        connection.execute(insert(api_key), {**key, "id": "first", "project_id": "proj_1", "digest": b"p" * 32})
    engine.dispose()
    insert_keys(database, organization_id="org_1", count=1000)
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id), count(DISTINCT digest), min(length(digest)) FROM api_key"
            " WHERE project_id = 'proj_1' AND organization_id = 'org_1' AND status = 'active'"
        ).fetchone()
    assert found == (1001, 1001, 1001, 32)
