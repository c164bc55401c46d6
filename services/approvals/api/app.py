"""The HTTP application: all resources behind one gate."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.approvals.api import (
    approvals,
    artifacts,
    audit,
    events,
    logs,
    orders,
    principals,
    quarantine,
    runs,
    submissions,
    tasks,
    whoami,
)
from services.approvals.api.gate import Gate
from services.approvals.api.problems import MEDIA_TYPE, on_error, on_http, on_invalid
from services.approvals.api.shell import Shell
from services.approvals.deps import Deps
from shared.contracts.views import Problem
from shared.errors import TaskgroveError

RESOURCES = (submissions, orders, events, runs, tasks, approvals, audit, logs, artifacts, quarantine, principals, whoami)
PROBLEM = {"schema": Problem.model_json_schema(by_alias=True)}
PROBLEMS: dict[int | str, dict[str, Any]] = {"default": {"description": "RFC 9457 problem", "content": {MEDIA_TYPE: PROBLEM}}}


def create_app(deps: Deps) -> FastAPI:
    """The application over these parts. Its documentation is /openapi.json; a page for it would load from elsewhere."""
    app = FastAPI(
        title="Taskgrove",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.state.deps = deps
    for resource in RESOURCES:
        app.include_router(resource.router)
    app.add_exception_handler(TaskgroveError, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_middleware(Gate, deps=deps)
    app.add_middleware(Shell, metrics=deps.metrics)
    return app
