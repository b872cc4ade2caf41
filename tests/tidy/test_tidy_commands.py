"""Every command that prints data prints it for programs too."""

from __future__ import annotations

from scripts.reference import cli

WITHOUT_DATA = {"demo", "serve", "keys disable", "keys enable", "keys delete"}
"""Commands that do something and say that it is done, or that run until they are stopped."""


def test_every_command_with_data_has_json():
    without = {command.words for command in cli.commands() if "--json" not in command.option_names}
    assert without == WITHOUT_DATA
