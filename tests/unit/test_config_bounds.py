"""Settings that are almost right: a variable's name with one underscore too few, numbers just out of their range."""

from __future__ import annotations

import pytest

from tollkeeper import config
from tollkeeper.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_settings_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))


@pytest.mark.parametrize(
    "variable", ["TOLLKEEPER_SERVER_PORT", "TOLLKEEPER_DATABASE_URL", "TOLLKEEPER_JOURNAL_DIRECTORY"]
)
def test_one_underscore_instead_of_two_is_an_error_that_names_it(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        config.load(environment={variable: "1"})


def test_a_variable_that_is_no_setting_of_any_section_is_left_alone() -> None:
    assert config.load(environment={"TOLLKEEPER_KEY": "sk-tk-x"}).settings == config.Settings()


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [("PORT", ("0", "65536", "-1"), ("1", "65535")), ("WORKERS", ("0", "257", "1.5"), ("1", "256"))],
)
def test_numbers_are_bounded_on_both_sides(name: str, wrong: tuple[str, ...], right: tuple[str, ...]) -> None:
    variable = f"TOLLKEEPER_SERVER__{name}"
    for text in wrong:
        with pytest.raises(ConfigurationError, match=variable):
            config.load(environment={variable: text})
    for text in right:
        server = config.load(environment={variable: text}).settings.server
        assert getattr(server, name.lower()) == int(text)
