"""The HTTP application: all resources and all pages behind one gate."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.approvals.api import (
    approvals,
    artifacts,
    audit,
    events,
    exports,
    imports,
    links,
    logs,
    orders,
    plans,
    principals,
    quarantine,
    submissions,
    tasks,
    whoami,
)
from services.approvals.api.gate import Gate
from services.approvals.api.problems import MEDIA_TYPE
from services.approvals.api.shell import Shell
from services.approvals.deps import Deps
from services.approvals.web import assets, entry, graph, inbox, overview, run, run_actions, stream, submit, submit_plan
from services.approvals.web import logs as log_lines
from services.approvals.web.pages import Web, is_open
from services.approvals.web.problems import on_error, on_http, on_invalid, refuse
from shared.contracts.views import Problem
from shared.errors import TaskgroveError

RESOURCES = (
    submissions, orders, events, exports, imports, tasks, plans, approvals, audit, logs, artifacts, quarantine, principals, links, whoami,
)  # fmt: skip
PAGES = (assets, entry, overview, inbox, run, run_actions, stream, graph, log_lines, submit, submit_plan)
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
    app.openapi_version = "3.2.0"  # event streams are described as only 3.2 can
    app.state.deps = deps
    app.state.web = Web.build(deps.ground.clock)
    for resource in RESOURCES:
        app.include_router(resource.router)
    for page in PAGES:
        app.include_router(page.router, include_in_schema=False)
    app.add_exception_handler(TaskgroveError, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_middleware(Gate, deps=deps, is_open=is_open, refuse=refuse)
    app.add_middleware(Shell, metrics=deps.metrics)
    return app
