"""The generated reference pages say what the code says, and leave nothing out."""

from __future__ import annotations

import pytest
from documents import ROOT, document
from scripts.reference import cli, configuration, dimensions, errors, pages, permissions
from scripts.reference.markdown import table

from tollkeeper import config
from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS
from tollkeeper.domain.usage import Dimension


def test_pages_are_up_to_date():
    assert pages.stale_pages(ROOT) == [], "run make docs"


def test_an_edited_or_missing_page_is_noticed_and_written_again(tmp_path):
    assert set(pages.stale_pages(tmp_path)) == set(pages.PAGES)
    pages.write_pages(tmp_path)
    edited = tmp_path / pages.FOLDER / "errors.md"
    edited.write_text(edited.read_text() + "more\n")
    assert pages.stale_pages(tmp_path) == ["errors.md"]
    assert pages.write_pages(tmp_path) == ["errors.md"]
    assert pages.stale_pages(tmp_path) == []


def test_every_setting_has_a_meaning():
    without = [f"{each.section}.{each.name}" for each in configuration.settings() if not each.meaning.endswith(".")]
    assert without == []


def test_every_section_has_a_meaning():
    assert [name for name, kind, _ in configuration.section_types() if not (kind.__doc__ or "").strip()] == []


def test_every_variable_of_the_page_is_read():
    for setting in configuration.settings():
        if setting.variable:
            value = setting.default.strip('"[]').replace(", ", ",").partition(" ")[0]
            loaded = config.load(environment={setting.variable: value, config.CONFIG_VARIABLE: "/dev/null"})
            assert loaded.settings == config.Settings(), setting.variable


def test_every_error_class_says_when_it_is_raised():
    assert [each.__name__ for each in errors.error_classes() if each.__doc__ is None] == []


def test_every_error_code_has_a_row_and_every_advice_a_code():
    assert {each.code for each in errors.all_refusals()} == set(errors.WHAT_TO_DO)
    text = document("docs/reference/errors.md").text
    assert [code for code in errors.WHAT_TO_DO if f"| `{code}` |" not in text] == []


def test_a_code_has_one_status_and_one_meaning():
    found = set(errors.all_refusals())
    by_code = {(each.status, each.code) for each in found}
    assert len(by_code) == len({each.code for each in found}) == len(found), "a code has two statuses or meanings"


def test_every_command_is_documented_with_its_options():
    text = document("docs/reference/cli.md").text
    for command in cli.commands():
        _, _, section = text.partition(f"\n## tollkeeper {command.words}\n")
        section = section.partition("\n## ")[0]
        assert [name for name in command.option_names if f"`{name}`" not in section] == [], command.words
        assert command.help, command.words


@pytest.mark.parametrize(
    "command", [each for each in cli.commands() if each.words != "simulate"], ids=lambda c: c.words
)
def test_every_option_says_what_it_does(command):
    assert [each.names for each in (*command.arguments, *command.options) if not each.meaning] == []


def test_every_permission_is_listed():
    text = document("docs/reference/permissions.md").text
    assert [each for each in ADMIN_PERMISSIONS | INFERENCE_PERMISSIONS if f"| `{each}` |" not in text] == []
    assert (
        set(permissions.routes_by_permission()) - {"login", "membership"} <= ADMIN_PERMISSIONS | INFERENCE_PERMISSIONS
    )


def test_every_billable_class_has_a_meaning():
    assert set(dimensions.MEANINGS) == set(Dimension)


def test_a_table_refuses_a_row_that_would_break_it():
    with pytest.raises(AssertionError):
        table(("a", "b"), [("one",)])
    assert table(("a",), [("x|y",)]).endswith("| x&#124;y |")
