"""Alembic's entry point: runs the migrations on the connection that `migrations.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from tollkeeper.store.schema import metadata

# The transaction is the caller's, so that a migration applies whole or not at all, on SQLite too.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
