"""Settings in the documents exist: whole files in fences, names in the text, variables of the environment."""

from __future__ import annotations

import re

import pytest
from documents import documents
from scripts.reference import configuration

from tollkeeper import config
from tollkeeper.domain.errors import ConfigurationError

KEYS = {variable: "sk-x" for _, _, _, variable in config.USUAL_PROVIDERS} | {"SIMULATOR_API_KEY": "sk-sim-x"}
SECTIONS = {name for name, _, _ in configuration.section_types()}
SETTINGS = {f"{each.section}.{each.name}" for each in configuration.settings()}
VARIABLES = {each.variable for each in configuration.settings()} | {config.CONFIG_VARIABLE}
FILES = {config.USUAL_FILE.removesuffix(".toml")} | {"toml", "md", "db", "pepper", "py"}
PAGES = list(documents())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_files_load(page, tmp_path):
    for fence in page.fences("toml"):
        path = tmp_path / "tollkeeper.toml"
        path.write_text(fence, encoding="utf-8")
        config.load(path, KEYS)


def test_a_setting_that_is_not_there_would_be_noticed(tmp_path):
    path = tmp_path / "tollkeeper.toml"
    path.write_text("[server]\nports = 1\n")
    with pytest.raises(ConfigurationError):
        config.load(path, KEYS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_in_the_text_exist(page):
    named = {
        text
        for text in page.code()
        if re.fullmatch(r"[a-z]+\.[a-z_]+", text) and text.split(".")[0] in SECTIONS and text.split(".")[1] not in FILES
    }
    assert named - SETTINGS - {"usage.cost"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page):
    named = set(re.findall(r"\bTOLLKEEPER_[A-Z]+__[A-Z_]+[A-Z]\b", page.text))
    assert named - VARIABLES - {"TOLLKEEPER_SECTION__NAME"} == set()
