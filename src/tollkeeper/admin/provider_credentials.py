"""/v1/providers: providers that an organization brings with its own key; the key goes in and never comes out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, SecretStr

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
    shown_time,
)
from tollkeeper.control import provider_credentials as providers
from tollkeeper.control.administration import Caller
from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.provider_credential import (
    BASE_URL_LENGTH_MAX,
    NAME_PATTERN,
    SECRET_LENGTH_MAX,
    SECRET_LENGTH_MIN,
    ProviderCredential,
)

router = APIRouter(tags=["providers"])
ProviderPath = Annotated[str, id_path("prov", "prov_0123456789ABCDEFGHIJ")]
ProviderName = Annotated[str, Field(pattern=NAME_PATTERN, description="As in `provider/model`.", examples=["openai"])]
BaseUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=BASE_URL_LENGTH_MAX,
        json_schema_extra={"pattern": "^https://[^/?#@\\\\ ]+(/[^?#]*)?$"},
        description="https://host/v1; the kind's usual address when it is left out. Another one needs the secret again.",
    ),
]
Secret = Annotated[
    SecretStr,
    Field(
        min_length=SECRET_LENGTH_MIN,
        max_length=SECRET_LENGTH_MAX,
        description="The provider's key. It is stored encrypted and shown by no route.",
    ),
]
CatalogueName = Annotated[
    str, Field(pattern=r"^[a-z0-9._-]{0,64}$", description="Whose prices of the catalogue hold; empty for none.")
]


class ProviderBody(Shape):
    name: ProviderName
    kind: ProviderKind
    secret: Secret
    base_url: BaseUrl | None = None
    catalogue: CatalogueName | None = None


class ProviderChangesBody(Shape):
    name: ProviderName | None = None
    secret: Secret | None = None
    base_url: BaseUrl | None = None
    catalogue: CatalogueName | None = None


class ProviderAnswer(Shape):
    object: Literal["provider"]
    id: str
    organization_id: str
    name: str
    kind: ProviderKind
    base_url: str
    catalogue: str
    hint: str | None
    created_at: str
    updated_at: str


@router.post("/v1/providers", response_model=ProviderAnswer, summary="Bring a provider with a key of your own")
async def create_provider(
    request: Request, body: ProviderBody, caller: Annotated[Caller, Depends(requires("provider:manage"))]
) -> Response:
    new = providers.NewProvider(
        body.name, body.kind, body.secret.get_secret_value(), base_url=body.base_url, catalogue=body.catalogue
    )
    return answer(shown_provider(await administration_of(request).change(caller, providers.create_provider, new)))


@router.get(
    "/v1/providers", response_model=ListPage[ProviderAnswer], summary="List the providers that the organization brings"
)
async def list_providers(
    request: Request,
    caller: Annotated[Caller, Depends(requires("provider:manage"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(caller, providers.list_providers, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_provider)


@router.get("/v1/providers/{provider_id}", response_model=ProviderAnswer, summary="Get a provider")
async def get_provider(
    request: Request, provider_id: ProviderPath, caller: Annotated[Caller, Depends(requires("provider:manage"))]
) -> Response:
    return answer(shown_provider(await administration_of(request).look(caller, providers.get_provider, provider_id)))


@router.put("/v1/providers/{provider_id}", response_model=ProviderAnswer, summary="Change a provider")
async def change_provider(
    request: Request,
    provider_id: ProviderPath,
    body: ProviderChangesBody,
    caller: Annotated[Caller, Depends(requires("provider:manage"))],
) -> Response:
    secret = None if body.secret is None else body.secret.get_secret_value()
    changes = providers.ProviderChanges(body.name, body.base_url, secret, body.catalogue)
    changed = await administration_of(request).change(caller, providers.change_provider, provider_id, changes)
    return answer(shown_provider(changed))


@router.delete("/v1/providers/{provider_id}", response_model=ProviderAnswer, summary="Delete a provider and its secret")
async def delete_provider(
    request: Request, provider_id: ProviderPath, caller: Annotated[Caller, Depends(requires("provider:manage"))]
) -> Response:
    deleted = await administration_of(request).change(caller, providers.delete_provider, provider_id)
    return answer(shown_provider(deleted))


def shown_provider(credential: ProviderCredential) -> dict[str, Any]:
    """Return a provider as programs get it. `hint` is the end of a long secret, null of a short one."""
    return {
        "object": "provider",
        "id": credential.id,
        "organization_id": credential.organization_id,
        "name": credential.name,
        "kind": credential.kind,
        "base_url": credential.base_url,
        "catalogue": credential.catalogue,
        "hint": credential.hint or None,
        "created_at": shown_time(credential.created_at_us),
        "updated_at": shown_time(credential.updated_at_us),
    }
