"""The page at `/`: three static files, no build step, no request to any other host."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Nothing but our own files; sound and pictures that the browser itself makes are blob: and data:.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/page/sound.js": ("sound.js", "text/javascript; charset=utf-8"),
    "/page/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}


def _serve(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    body = Path(__file__).with_name(name).read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {
        "content-type": kind,
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "permissions-policy": "microphone=(self), camera=(), geolocation=()",
        "cache-control": "no-cache",
        "etag": tag,
    }

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    return serve


def routes() -> list[Route]:
    """Routes of the page's files, read once."""
    return [Route(path, _serve(name, kind), methods=["GET"]) for path, (name, kind) in _FILES.items()]


__all__ = ["CONTENT_SECURITY_POLICY", "routes"]
