"""The OpenAPI document: what FastAPI derives, with our refusals instead of its own, and how a caller proves who it is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tollkeeper.admin.permissions import declared, is_public
from tollkeeper.admin.shapes import REFUSALS, Refusal

DESCRIPTION = """\
Organizations, teams, projects, people, roles, API keys, usage and costs.

Send an administration key or a session's token: `Authorization: Bearer sk-tk-…`. `OpenAI-Organization` and
`OpenAI-Project` choose among what the credential may use and never widen it. Every POST takes an `Idempotency-Key`."""
_SCHEMAS = "#/components/schemas/"
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same request with the same key is done once and answered the same again.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the document; made once."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    made.setdefault("components", {})["securitySchemes"] = {
        "credential": {"type": "http", "scheme": "bearer", "description": "An API key, or a session's token."}
    }
    schemas = made["components"].setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # we refuse with 400 and in our own shape
        schemas.pop(name, None)
    shape = Refusal.model_json_schema(ref_template=_SCHEMAS + "{model}", mode="serialization")
    schemas |= {**shape.pop("$defs"), Refusal.__name__: shape}
    permissions, refusals = declared(app), _refusals()
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            for status, refusal in refusals.items():
                operation["responses"].setdefault(status, refusal)
            if method == "post" and (not is_public(path) or path == "/v1/auth/accept-invitation"):
                operation.setdefault("parameters", []).append(_IDEMPOTENCY)
            if not is_public(path):
                operation["security"] = [{"credential": []}]
                operation["x-permission"] = permissions[method.upper(), path]
    app.openapi_schema = made
    return made


def _refusals() -> dict[str, Any]:
    """Return what any route may answer instead. Given to FastAPI it would cost each route a model for each status."""
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + Refusal.__name__}}}
    return {status: {"description": meaning, "content": content} for status, meaning in REFUSALS.items()}
