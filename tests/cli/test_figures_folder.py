"""Several workers get a folder for each other's figures; a machine without room for one serves all the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tollkeeper import config
from tollkeeper.cli.serve import _folder_for_figures


def test_the_folder_is_there_while_workers_serve_and_for_nobody_else() -> None:
    with _folder_for_figures(config.Metrics()) as folder:
        assert folder is not None
        assert Path(folder).stat().st_mode & 0o077 == 0
        (Path(folder) / "0.figures").write_bytes(b"")
    assert not Path(folder).exists()


@pytest.mark.parametrize("metrics", [config.Metrics(directory="own"), config.Metrics(enabled=False)])
def test_none_is_made_where_another_is_set_or_none_needed(metrics: config.Metrics) -> None:
    with _folder_for_figures(metrics) as folder:
        assert folder is None


def test_a_machine_without_a_temporary_folder_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with _folder_for_figures(config.Metrics()) as folder:
        assert folder is None
    assert "metrics.directory" in caplog.text
