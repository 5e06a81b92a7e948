"""What surrounds every request: an id, a log line, figures, safe headers, one error shape.

Plain ASGI, so that bodies stream through it untouched. It also gives BentoML's
own routes (`/livez`, `/readyz`) and unknown paths the service's error shape.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from musicgenre.serving import problems
from musicgenre.serving.drain import Drain
from musicgenre.serving.metrics import Metrics
from musicgenre.serving.uploads import Disconnected

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger("musicgenre.access")

ROUTES = frozenset({"/", "/classify", "/classify_batch", "/model", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs.json"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Statuses that BentoML or Starlette answer by themselves, in the service's words.
_PLAIN = {
    404: ("not_found", "There is nothing at this address.", "See /openapi.json."),
    405: ("method_not_allowed", "This address does not answer that method.", "See /openapi.json."),
}


def route_of(path: str) -> str:
    """The figure's label for a path: one of a fixed list, so that a caller cannot invent series."""
    if path in ROUTES:
        return path
    return "/page" if path.startswith("/page/") else "other"


def request_id_of(scope: Scope) -> str:
    """The caller's `X-Request-ID` where it is harmless, else a new one."""
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return str(text)
    return secrets.token_hex(8)


class Envelope:
    """The middleware. `scope["state"]` gains `request_id`, `log` (fields that a route adds) and the `exchange`."""

    def __init__(
        self, app: App, metrics: Callable[[], Metrics], not_ready: Callable[[], problems.Problem], drain: Drain | None = None
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.not_ready = not_ready
        self.drain = drain or Drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                self.drain.install()  # the server has set its own handlers by now
            await self.app(scope, receive, send)
            return
        exchange = Exchange(request_id_of(scope), receive, self._last_words(send), self.not_ready)
        scope.setdefault("state", {}).update(request_id=exchange.request_id, log=exchange.log, exchange=exchange)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Disconnected:
            exchange.log["disconnected"] = True
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            if not exchange.begun:
                await exchange.problem(problems.internal())
        self._record(scope, exchange)

    def _last_words(self, send: Send) -> Send:
        """`send`, or while the service stops one that asks clients to let their connection go."""

        async def closing(message: Message) -> None:
            if self.drain.active and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing

    def _record(self, scope: Scope, exchange: Exchange) -> None:
        route = route_of(scope["path"])
        seconds = time.perf_counter() - exchange.started
        metrics = self.metrics()
        metrics.requests.labels(route, str(exchange.status or 499)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        if "code" in exchange.log:
            metrics.problems.labels(exchange.log["code"]).inc()
        quiet = route in ("/livez", "/readyz", "/metrics") and exchange.status == 200
        logger.log(
            logging.DEBUG if quiet else logging.INFO,
            json.dumps(
                {
                    "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "event": "request",
                    "request_id": exchange.request_id,
                    "method": scope["method"],
                    "route": route,
                    "status": exchange.status or 499,
                    "ms": round(1000 * seconds, 1),
                    **exchange.log,
                }
            ),
        )


class Exchange:
    """One request: what has been read of it, what has been answered.

    `body_read` is true once the whole request body has been received (or the client has left).
    """

    def __init__(self, request_id: str, receive: Receive, send: Send, not_ready: Callable[[], problems.Problem]) -> None:
        self.request_id = request_id
        self.started = time.perf_counter()
        self.log: dict[str, Any] = {}
        self.status = 0
        self.begun = False
        self.body_read = False
        self._receive = receive
        self._send = send
        self._not_ready = not_ready
        self._swallow = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.body_read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            kind = dict(headers).get(b"content-type", b"")
            if self.status >= 400 and not kind.startswith(b"application/json"):
                self._swallow = True
                await self.problem(self._not_ready() if self.status == 503 else _plain_problem(self.status))
                return
            message = {**message, "headers": [*headers, *_SAFE, (b"x-request-id", self.request_id.encode())]}
            self.begun = True
        elif self._swallow:
            return
        await self._send(message)

    async def problem(self, problem: problems.Problem) -> None:
        """Answer with an error of our own shape."""
        self.begun = True
        self.status = problem.status
        self.log["code"] = problem.code
        body = json.dumps(problem.body(self.request_id)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in problem.headers.items()]
        headers += [*_SAFE, (b"x-request-id", self.request_id.encode())]
        await self._send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _plain_problem(status: int) -> problems.Problem:
    code, message, next_step = _PLAIN.get(status, ("http_error", f"The request ended with status {status}.", ""))
    return problems.Problem(status, code, message, next_step)


__all__ = ["ROUTES", "Envelope", "Exchange", "request_id_of", "route_of"]
