"""The OpenAPI description of the service's routes, with examples."""

from __future__ import annotations

from typing import Any

from musicgenre import __version__
from musicgenre.params import ServeParams
from musicgenre.serving.problems import FORMATS

_CODES = {
    400: "The request cannot be read.",
    401: "The API key is missing or wrong.",
    408: "The upload did not arrive in time.",
    413: "The upload is larger than the limit.",
    415: "The content, or its declared type, is not audio.",
    422: "Audio that cannot be judged: damaged, empty, silent, too short, too long.",
    429: "The queue or the memory for uploads is full; `Retry-After` says when to come back.",
    500: "A fault of the service; the log has it under the request id.",
    503: "The model is not ready, or the clip's turn did not come in time.",
    504: "The clip could not be classified before the deadline.",
}
_EXAMPLE_PROBABILITIES = [
    {"genre": "jazz", "probability": 0.8125},
    {"genre": "blues", "probability": 0.125},
    {"genre": "classical", "probability": 0.0625},
]
_EXAMPLE: dict[str, Any] = {
    "genre": "jazz",
    "probability": 0.8125,
    "probabilities": _EXAMPLE_PROBABILITIES,
    "timeline": [{"start_s": 0.0, "end_s": 3.0, "genre": "jazz", "probabilities": _EXAMPLE_PROBABILITIES}],
    "duration_s": 30.0,
    "format": "wav",
    "warnings": ["clipped: 1.2% of the samples are at full scale."],
    "model": {"name": "musicgenre", "version": "3", "digest": "5f6b0c3e"},
    "cached": False,
    "request_id": "0d1f1c0b5c0a4a6e",
}
_EXAMPLE_ERROR = {
    "error": {"code": "unsupported_format", "message": "The content is not audio that can be read here.", "next_step": f"Send {FORMATS}."},
    "request_id": "0d1f1c0b5c0a4a6e",
}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    text, number, seconds = {"type": "string"}, {"type": "number"}, {"type": "number", "minimum": 0, "description": "Seconds."}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    classification = {
        "genre": {"type": "string", "description": "The likeliest genre, or `unknown` below `reject_below`."},
        "probability": {**share, "description": "Of the likeliest genre, calibrated."},
        "probabilities": {"type": "array", "items": _ref("GenreProbability"), "description": "The likeliest `top_k` genres, best first."},
        "timeline": {"type": "array", "items": _ref("Segment")},
        "duration_s": seconds,
        "format": {"type": "string", "description": "The container as found in the bytes."},
        "warnings": {"type": "array", "items": text, "description": "Reasons to doubt the answer: `code: words`."},
        "model": _ref("ModelIdentity"),
        "cached": {"type": "boolean", "description": "No work was done: the same bytes were answered before."},
    }
    error = _object({"code": text, "message": text}, {"next_step": text})
    return {
        "GenreProbability": _object({"genre": text, "probability": share}),
        "Segment": _object(
            {"start_s": seconds, "end_s": seconds, "genre": text, "probabilities": {"type": "array", "items": _ref("GenreProbability")}}
        ),
        "ModelIdentity": _object({"name": text, "version": text, "digest": text}),
        "Classification": _object({**classification, "request_id": text}),
        "BatchItem": {
            "oneOf": [
                _object({"index": {"type": "integer"}, "ok": {"const": True}, **classification}),
                _object({"index": {"type": "integer"}, "ok": {"const": False}, "status": {"type": "integer"}, "error": error}),
            ]
        },
        "Batch": _object({"results": {"type": "array", "items": _ref("BatchItem")}, "request_id": text}),
        "Problem": _object({"error": error, "request_id": text}),
        "Model": _object(
            {
                "model": _ref("ModelIdentity"),
                "classes": {"type": "array", "items": text},
                "created": text,
                "temperature": number,
                "members": {"type": "array", "items": {"type": "object"}},
                "evaluation": {"type": "object", "description": "On the test set, as the registry recorded it."},
                "lineage": {"type": "object"},
                "front_end": {"type": "object"},
                "limits": {"type": "object"},
                "service": _object({"version": text, "bento": text, "pid": {"type": "integer"}, "started": text}),
            }
        ),
    }


def _json(schema: dict[str, Any], description: str, example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _problems(*codes: int) -> dict[str, Any]:
    answers = {str(code): _json(_ref("Problem"), _CODES[code], _EXAMPLE_ERROR if code == 415 else None) for code in codes}
    if "429" in answers:
        answers["429"]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return answers


def _upload(many: bool) -> dict[str, Any]:
    item = {"type": "string", "format": "binary"}
    field = {"files": {"type": "array", "items": item, "minItems": 1}} if many else {"file": item}
    content: dict[str, Any] = {"multipart/form-data": {"schema": {"type": "object", "required": list(field), "properties": field}}}
    if not many:
        content["application/octet-stream"] = {"schema": item}
    return {"required": True, "content": content}


def _top_k(default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": default}
    return {"name": "top_k", "in": "query", "required": False, "schema": schema, "description": "How many genres to list."}


def _text(description: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def document(settings: ServeParams) -> dict[str, Any]:
    """OpenAPI 3.1 of this service under `settings`."""
    limits = f"At most {settings.max_upload_mb:g} MB and {settings.max_duration_s:g} s a request; {FORMATS}."
    example = {"results": [{"index": 0, "ok": True, **{k: v for k, v in _EXAMPLE.items() if k != "request_id"}}], "request_id": "0d1f1c0b"}
    guarded: dict[str, Any] = {"security": [{"bearer": []}, {"header": []}]} if settings.api_key else {}
    common = (400, 408, 413, 415, 422, 429, 500, 503, 504)
    locked = (401,) if settings.api_key else ()
    batch = (400, 408, 413, 415, 429, 500, 503)
    paths = {
        "/classify": {
            "post": {
                "operationId": "classify",
                "summary": "Classify one file",
                "description": limits,
                "parameters": [_top_k(settings.top_k)],
                "requestBody": _upload(many=False),
                "responses": {"200": _json(_ref("Classification"), "The answer.", _EXAMPLE), **_problems(*common, *locked)},
                **guarded,
            }
        },
        "/classify_batch": {
            "post": {
                "operationId": "classify_batch",
                "summary": "Classify several files; each has an answer or an error of its own, in order",
                "description": f"{limits} At most {settings.max_batch_files} files.",
                "parameters": [_top_k(settings.top_k)],
                "requestBody": _upload(many=True),
                "responses": {"200": _json(_ref("Batch"), "One result a file.", example), **_problems(*batch, *locked)},
                **guarded,
            }
        },
        "/model": {
            "get": {
                "operationId": "model",
                "summary": "What answers here: version, lineage, classes, limits",
                "responses": {"200": _json(_ref("Model"), "The loaded model."), **_problems(500, 503, *locked)},
                **guarded,
            }
        },
        "/livez": {"get": {"operationId": "livez", "summary": "The process lives", "responses": {"200": _text("Yes.")}}},
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "summary": "The model has answered its golden clip right",
                "responses": {"200": _text("Yes."), **_problems(503)},
            }
        },
        "/metrics": {"get": {"operationId": "metrics", "summary": "Figures for Prometheus", "responses": {"200": _text("Figures.")}}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "musicgenre", "version": __version__, "description": "Genre, probabilities and a timeline for an audio file."},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


__all__ = ["document"]
