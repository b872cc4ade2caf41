"""`GET /v1/models`, `/v1beta/models` and one model of them: the dialect of the caller, its ways to page, the key's rights."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.models import ModelList, ModelsAsked
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.wire.gemini_models import PREFIX
from tollkeeper.gateway.wire.parsing import query_value
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.refusals import MethodNotAllowed

PERMISSION = "models:list"
PAGE_MAX = 1_000
_PATHS, _GEMINI_PATH = ("/v1/models", "/v1beta/models"), "/v1beta/models"
ROUTES = tuple(f"{path}{rest}" for path in _PATHS for rest in ("", "/{id}"))
"""For people: the paths that are served."""
_METHODS = "Gemini's that are served are generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents."
_PAGE_USUAL: dict[Dialect, int] = {"openai": 0, "anthropic": 20, "gemini": 50}  # OpenAI's list has no pages
_SIZE_NAMES: dict[Dialect, str] = {"anthropic": "limit", "gemini": "pageSize"}
_JSON = [(b"content-type", b"application/json")]


def owns(path: str) -> bool:
    """Tell whether a path is one of these routes."""
    return path.startswith(_PATHS) and (path in _PATHS or path.startswith(("/v1/models/", "/v1beta/models/")))


def dialect_of(path: str, headers: Mapping[bytes, bytes]) -> Dialect:
    """Return the dialect that a list of models is asked for in."""
    if path.startswith(_GEMINI_PATH):
        return "gemini"
    if b"anthropic-version" in headers:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in headers else "openai"


async def answer_models(client: Client, pipeline: Pipeline, models: ModelList) -> None:
    """Answer with the list, or with one model."""
    path: str = client.scope["path"]
    try:
        if client.scope["method"] not in {"GET", "HEAD"}:
            method = path.rpartition(":")[2] if client.scope["method"] == "POST" and ":" in path else ""
            if method:
                raise NotFound(f"There is no such route: a model has no method '{printable(method, 64)}'. {_METHODS}")
            raise MethodNotAllowed("This route takes GET only.")
        found = await pipeline.authenticator.authenticate(client.headers)
        key = key_in_use(found, client, PERMISSION, pipeline.trusted_proxies)
        name = path.split("/models", 1)[1].removeprefix("/")
        if name:
            if client.dialect == "gemini":
                name = name.removeprefix(PREFIX)
            body = models.render_one(client.dialect, name, key.organization_id, key.terms, at_us=client.started_us)
        else:
            asked = _asked(client)
            await models.prepare(asked.dialect, key.organization_id, at_us=client.started_us)
            body = models.render(asked, key.organization_id, key.terms, at_us=client.started_us)
    except TollkeeperError as error:
        await client.refuse(error)
    else:
        await client.reply(200, _JSON, body)


def _asked(client: Client) -> ModelsAsked:
    dialect, query = client.dialect, client.scope.get("query_string", b"")
    size = _PAGE_USUAL[dialect]
    name = _SIZE_NAMES.get(dialect)
    if name is None or not query:
        return ModelsAsked(dialect, size)
    if stated := query_value(query, name):
        if not stated.isdecimal() or not stated.isascii() or len(stated) > 9:
            raise InvalidRequest(f"'{name}' must be a whole number.", param=name)
        size = min(int(stated), PAGE_MAX) or size
    if dialect == "gemini":
        return ModelsAsked(dialect, size, after=query_value(query, "pageToken"))
    return ModelsAsked(dialect, size, after=query_value(query, "after_id"), before=query_value(query, "before_id"))
