"""GET /v1/usage/export: all lines of a usage report as a file, CSV or Parquet, exact to the nano."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import administration_of
from tollkeeper.admin.usage import UsageAsked
from tollkeeper.control.administration import Caller
from tollkeeper.control.usage_export import Form, open_table, write_csv
from tollkeeper.control.usage_lines import LinePage, Question, list_lines
from tollkeeper.parquet.answers import MEDIA_TYPE, FileAnswer, download_headers, to_nobody
from tollkeeper.parquet.turns import asker_of
from tollkeeper.parquet.writing import ClientGone, ParquetWriter

router = APIRouter(tags=["usage"])
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"text/csv": {}, MEDIA_TYPE: {}}},
    501: {"description": "Parquet cannot be written here: the library is not installed."},
}


class ExportQuery(UsageAsked):
    """GET /v1/usage/export."""

    format: Form = "csv"


@router.get(
    "/v1/usage/export",
    response_class=Response,
    responses=_ANSWERS,
    summary="Requests, tokens and costs, grouped, all lines as one file",
)
async def export(
    request: Request,
    query: Annotated[ExportQuery, Query()],
    caller: Annotated[Caller, Depends(requires("membership"))],
) -> Response:
    """Export as CSV or Parquet, at most 100,000 lines. Costs are exact: in CSV their digits, in Parquet DECIMAL(38, 9)."""
    administration = administration_of(request)

    async def look(question: Question) -> LinePage:
        return await administration.look(caller, list_lines, question)

    organization_id = caller.principal.organization_id
    head, rows = await open_table(look, query.question(), organization_id=organization_id)
    if query.format == "csv":
        body = await write_csv(rows, head)
        return Response(body, headers=download_headers("usage.csv"), media_type="text/csv; charset=utf-8")
    writer: ParquetWriter = request.app.state.parquet
    try:
        file = await writer.write(head, rows, asker=asker_of(caller.principal), is_gone=request.is_disconnected)
    except ClientGone:
        return to_nobody()
    return FileAnswer(file, "usage.parquet")
