"""The service's own routes, as an ASGI application that BentoML mounts at `/`."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from musicgenre.params import ServeParams
from musicgenre.serving import page, problems
from musicgenre.serving.answers import classification
from musicgenre.serving.card import model_card
from musicgenre.serving.engine import Engine
from musicgenre.serving.envelope import Exchange
from musicgenre.serving.metrics import Metrics
from musicgenre.serving.openapi import document
from musicgenre.serving.prediction_log import PredictionLog
from musicgenre.serving.uploads import MEGABYTE, Lease, Upload, read_uploads

MAX_TOP_K = 1000
# A refused body is read on (and dropped) up to here, so that the client gets to see the answer.
_DRAIN_BYTES = 256 * MEGABYTE

Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """Routes around one `Engine`; `engine` is set when the service's instance is made."""

    def __init__(self, settings: ServeParams) -> None:
        self.settings = settings
        self.engine: Engine | None = None
        self._metrics: Metrics | None = None
        self._log: PredictionLog | None = PredictionLog(settings.prediction_log) if settings.prediction_log else None
        middleware = []
        if settings.cors_origins:
            middleware.append(
                Middleware(CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["GET", "POST"], allow_headers=["*"])
            )
        self.asgi = Starlette(
            routes=[
                Route("/classify", self._guarded(self.classify), methods=["POST"]),
                Route("/classify_batch", self._guarded(self.classify_batch), methods=["POST"]),
                Route("/model", self._guarded(self.model), methods=["GET"]),
                # BentoML answers GET here; without these other methods would be "not found" instead of "not allowed".
                Route("/livez", self._not_here, methods=["GET"]),
                Route("/readyz", self._not_here, methods=["GET"]),
                Route("/metrics", self.render_metrics, methods=["GET"]),
                Route("/openapi.json", self.openapi, methods=["GET"]),
                Route("/docs.json", self.openapi, methods=["GET"]),
                *page.routes(),
            ],
            middleware=middleware,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI. A plain callable, not a Starlette: BentoML then leaves every path below `/` to it."""
        await self.asgi(scope, receive, send)

    @property
    def metrics(self) -> Metrics:
        if self._metrics is None:
            self._metrics = Metrics()
        return self._metrics

    def _guarded(self, handler: Handler) -> Handler:
        """`handler` behind the API key, with problems turned into answers."""

        async def guarded(request: Request) -> Response:
            try:
                self._authorize(request)
                return await handler(request)
            except problems.Problem as problem:
                request.state.log["code"] = problem.code
                if problem.status != 408:  # a body that is too slow is not waited for
                    await _drain(request, self.settings.request_timeout_s)
                return JSONResponse(problem.body(request.state.request_id), problem.status, problem.headers)

        return guarded

    def _authorize(self, request: Request) -> None:
        wanted = self.settings.api_key
        if wanted is None:
            return
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode("latin-1"), wanted.encode()):
            raise problems.unauthorized()

    def not_ready(self) -> problems.Problem:
        """Why this process cannot classify now."""
        return problems.not_ready("The model is being loaded.") if self.engine is None else self.engine.not_ready()

    def _engine(self) -> Engine:
        if self.engine is None or not self.engine.ready:
            raise self.not_ready()
        return self.engine

    def _top_k(self, request: Request) -> int:
        text = request.query_params.get("top_k")
        if text is None:
            return self.settings.top_k
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_TOP_K):
            raise problems.bad_request(f"top_k is {text[:20]!r}; it must be a whole number from 1 to {MAX_TOP_K}.")
        return int(text)

    async def _uploads(self, request: Request, lease: Lease, deadline: float, *, max_files: int) -> list[Upload]:
        length = request.headers.get("content-length")
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(deadline):
                uploads = await read_uploads(
                    request.receive,
                    content_type=request.headers.get("content-type", ""),
                    content_length=int(length) if length and length.isdigit() else None,
                    max_bytes=int(self.settings.max_upload_mb * MEGABYTE),
                    max_files=max_files,
                    lease=lease,
                )
        except TimeoutError:
            raise problems.upload_timeout(self.settings.request_timeout_s) from None
        request.state.log["bytes"] = sum(len(upload.data) for upload in uploads)
        self.metrics.stage_seconds.labels("upload").observe(asyncio.get_running_loop().time() - began)
        return uploads

    async def _answer(self, upload: Upload, deadline: float, top_k: int, request_id: str) -> dict[str, Any]:
        engine = self._engine()
        result, cached = await engine.classify(upload, deadline)
        answer = classification(result, top_k=top_k, reject_below=self.settings.reject_below, model=engine.identity, cached=cached)
        self.metrics.predictions.labels(answer["genre"]).inc()
        if self._log is not None:
            self._log.write(result, answer, engine.identity, request_id)
        return answer

    async def classify(self, request: Request) -> Response:
        """`POST /classify`: one file."""
        engine, top_k = self._engine(), self._top_k(request)
        deadline = asyncio.get_running_loop().time() + self.settings.request_timeout_s
        with engine.admission.admit(), Lease(engine.budget, engine.admission.retry_after_s()) as lease:
            uploads = await self._uploads(request, lease, deadline, max_files=1)
            answer = await self._answer(uploads[0], deadline, top_k, request.state.request_id)
        request.state.log.update(genre=answer["genre"], cached=answer["cached"], duration_s=answer["duration_s"])
        return JSONResponse({**answer, "request_id": request.state.request_id})

    async def classify_batch(self, request: Request) -> Response:
        """`POST /classify_batch`: several files; each gets an answer or an error of its own, in order."""
        engine, top_k = self._engine(), self._top_k(request)
        request_id = request.state.request_id
        deadline = asyncio.get_running_loop().time() + self.settings.request_timeout_s

        async def one(index: int, upload: Upload) -> dict[str, Any]:
            try:
                return {"index": index, "ok": True, **await self._answer(upload, deadline, top_k, request_id)}
            except problems.Problem as problem:
                self.metrics.problems.labels(problem.code).inc()
                return {"index": index, "ok": False, "status": problem.status, "error": problem.body(request_id)["error"]}

        with engine.admission.admit(), Lease(engine.budget, engine.admission.retry_after_s()) as lease:
            uploads = await self._uploads(request, lease, deadline, max_files=self.settings.max_batch_files)
            results = await asyncio.gather(*(one(index, upload) for index, upload in enumerate(uploads)))
        request.state.log.update(files=len(results), failed=sum(not result["ok"] for result in results))
        return JSONResponse({"results": results, "request_id": request_id})

    async def model(self, request: Request) -> Response:
        """`GET /model`: what answers here and where it comes from."""
        return JSONResponse(model_card(self._engine()))

    async def _not_here(self, request: Request) -> Response:
        raise AssertionError("BentoML's own route comes first")

    async def render_metrics(self, request: Request) -> Response:
        """`GET /metrics`, for Prometheus."""
        body, kind = self.metrics.render(self.engine)
        return Response(body, headers={"content-type": kind})

    async def openapi(self, request: Request) -> Response:
        """`GET /openapi.json` (BentoML's `/docs.json` too)."""
        return JSONResponse(document(self.settings))


async def _drain(request: Request, seconds: float) -> None:
    """Read on what a refused client still sends, inside bounds; a client that asked first (100-continue) sends nothing."""
    exchange: Exchange = request.state.exchange
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while seen < _DRAIN_BYTES and not exchange.body_read:
                message = await request.receive()
                seen += len(message.get("body", b""))


__all__ = ["MAX_TOP_K", "Application"]
