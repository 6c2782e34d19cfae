"""The HTTP application, put together from its routes."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig

from adapters.http import aggregates, commands, problems, queries
from adapters.http.context import Hub
from adapters.http.middleware import Admission, BodyLimit
from adapters.http.operations import Operations, routes

_DESCRIPTION = (
    "The record that people and AI agents share while they work together in real time. Every POST needs an "
    "`Idempotency-Key`; every error is a problem (RFC 9457) with a stable `code`."
)

_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own: it would send paths and queries, which hold names, and errors with their words. See telemetry.py."""


def create_app(hub: Hub | None, operations: Operations) -> FastAPI:
    """The application. `hub` may be set later as `app.state.hub`, before the first request.

    The templates of its routes are in `app.state.templates`, for telemetry.Telemetry, which goes around all of it.
    """
    app = FastAPI(
        title="Stele",
        version=version("stele"),
        description=_DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        responses={"default": {"description": "A problem", "content": _problem_content()}},
    )
    app.state.hub = hub
    problems.install(app)
    app.add_middleware(Admission)
    app.add_middleware(BodyLimit)  # the last one added comes first: a place is taken when the body is there
    routers = (commands.router, queries.router, aggregates.router, routes(operations))
    for router in routers:
        app.include_router(router)
    app.state.templates = ["/openapi.json", *(r.path for one in routers for r in one.routes if isinstance(r, APIRoute))]
    original = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_problems(original())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


def _problem_content() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Say what is really sent for errors: problems, never the framework's own form."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = problems.Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            for parameter in operation.get("parameters", []):
                parameter["required"] |= (
                    parameter["name"] == "idempotency-key"
                )  # a missing one has a problem of its own
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path in ("/livez", "/readyz"):
        document["paths"][path]["get"]["security"] = []
    return document
