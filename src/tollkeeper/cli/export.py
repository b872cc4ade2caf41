"""`tollkeeper export`: an organization as the file that `tollkeeper apply` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import json_text
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control.blueprint.writing import export_document, plain_document, write_yaml
from tollkeeper.domain.errors import InvalidRequest


def export(
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else standard output.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an organization as YAML, without any secret: applied again, there is nothing to change.

    What --json prints can be applied as well.
    """

    async def work(operator: Operator) -> str:
        document = await operator.look(export_document)
        return json_text(plain_document(document)) + "\n" if as_json else write_yaml(document)

    text = as_operator(load(config, database), org, work)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written: {error.strerror}.", param="out") from None
