"""A bounded run of schemathesis over every route; `python -m tests.security --schemathesis` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.admin.admin_factories import ONLY_SQLITE
from tests.security.schema_run import run_schemathesis

from tollkeeper.store.engine import Store


@ONLY_SQLITE
@pytest.mark.parametrize("who", ["admin", "org_admin"])
async def test_the_api_is_as_its_document_says(store: Store, who: str, tmp_path: Path):
    options = ("--phases", "examples,fuzzing", "--max-examples", "4", "--no-shrink")
    report = await run_schemathesis(store, who=who, options=options, folder=tmp_path, requests_max_s=110)
    print(f"{report.cases:,} cases")
    assert not report.problems, report.problems[0]
    assert report.cases > 300
