"""The console's HTTP application: its pages, and what tells programs how it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bus.console.asked import Asked
from bus.console.pages import PAGES
from bus.console.site import Site
from bus.metrics import CONTENT_TYPE, exposition
from bus.pages import app


def build_app(
    site: Site, *, reasons: Callable[[], Sequence[str]] = tuple, registry: CollectorRegistry | None = None
) -> Starlette:
    """Return the application; `reasons` say why it is not ready."""
    counted = registry or CollectorRegistry()
    answers = Counter(
        "saraban_console_answers_total",
        "Requests for pages that were answered, by the page's path and status.",
        ["page", "status"],
        registry=counted,
    )

    async def healthz(_: Request) -> Response:
        return Response("alive\n", media_type="text/plain")

    async def readyz(_: Request) -> Response:
        found = reasons()
        return Response("\n".join(["not ready" if found else "ready", *found, ""]), 503 if found else 200)

    async def metrics(_: Request) -> Response:
        return Response(exposition(counted), media_type=CONTENT_TYPE)

    return app.build_app(
        site,
        PAGES,
        Asked,
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)],
        answered=lambda page, status: answers.labels(page, status).inc(),
    )
