"""Every way a request can fail, as one HTTP status and one JSON shape.

``{"error": {"code": …, "message": …, "next_step": …}, "request_id": …}``; `code` is
stable and made for programs, `message` and `next_step` for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from musicgenre import errors


class Problem(Exception):
    """A request that ends with an error answer.

    Parameters
    ----------
    status
        The HTTP status, 4xx or 5xx.
    code, message, next_step
        See the module's text; `next_step` may be empty.
    headers
        Further response headers, for example ``{"retry-after": "2"}``.
    """

    def __init__(self, status: int, code: str, message: str, next_step: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.next_step = next_step
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's JSON."""
        error = {"code": self.code, "message": self.message}
        if self.next_step:
            error["next_step"] = self.next_step
        return {"error": error, "request_id": request_id}


FORMATS = "WAV, FLAC, OGG, MP3, AIFF or AU"

# Audio that cannot become an answer: (status, what to do about it). A subclass not named here is a 422.
_AUDIO: dict[type[errors.AudioError], tuple[int, str]] = {
    errors.EmptyAudio: (422, "Send a file that holds audio."),
    errors.UnsupportedFormat: (415, f"Send {FORMATS}."),
    errors.UndecodableAudio: (422, "The file is damaged or cut off; export it again."),
    errors.TooShort: (422, "Send a longer clip."),
    errors.TooLong: (422, "Cut the clip to the part that matters."),
    errors.TooLarge: (413, "Send a shorter or compressed clip."),
    errors.NonFiniteAudio: (422, "The samples hold NaN or infinity; export the file again."),
    errors.SilentAudio: (422, "Send a clip in which something sounds."),
    errors.DecoderCrashed: (422, "The decoder gave this file up; convert it to WAV or FLAC and try again."),
}


def from_audio_error(error: errors.AudioError) -> Problem:
    """The problem that an unusable upload is. The message never holds a path or file name."""
    status, next_step = _AUDIO.get(type(error), (422, ""))
    return Problem(status, error.code, str(error), next_step)


def too_large(limit_mb: float) -> Problem:
    return Problem(413, "too_large", f"The upload is larger than {limit_mb:g} MB.", "Send a shorter or compressed clip.")


def overloaded(retry_after_s: int) -> Problem:
    return Problem(
        429, "overloaded", "More clips are waiting than this service takes on.",
        f"Try again in {retry_after_s} s.", {"retry-after": str(retry_after_s)},
    )  # fmt: skip


def out_of_memory_budget(retry_after_s: int) -> Problem:
    return Problem(
        429, "uploads_full", "The uploads under way fill the memory set aside for them.",
        f"Try again in {retry_after_s} s.", {"retry-after": str(retry_after_s)},
    )  # fmt: skip


def upload_timeout(limit_s: float) -> Problem:
    return Problem(408, "upload_timeout", f"The upload did not arrive within {limit_s:g} s.", "Send a smaller file or use a faster link.")


def queue_timeout(limit_s: float, retry_after_s: int) -> Problem:
    return Problem(
        503, "queue_timeout", f"The clip's turn did not come within {limit_s:g} s.",
        f"Try again in {retry_after_s} s.", {"retry-after": str(retry_after_s)},
    )  # fmt: skip


def deadline(limit_s: float) -> Problem:
    return Problem(504, "deadline", f"The clip could not be classified within {limit_s:g} s.", "Send a shorter clip.")


def not_ready(reason: str) -> Problem:
    return Problem(503, "not_ready", reason, "Watch /readyz.", {"retry-after": "2"})


def model_unusable() -> Problem:
    return Problem(
        503, "model_unusable", "The model cannot be used; the log says why.", "Serve a bundle that `musicgenre registry verify` accepts."
    )


def bad_request(message: str, next_step: str = "") -> Problem:
    return Problem(400, "bad_request", message, next_step)


def unauthorized() -> Problem:
    return Problem(
        401, "unauthorized", "This service asks for an API key.",
        "Send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.", {"www-authenticate": "Bearer"},
    )  # fmt: skip


def unanswerable() -> Problem:
    return Problem(
        422, "unanswerable", "The model gives no finite answer for this clip.", "Check the samples' level; export the file again."
    )


def internal() -> Problem:
    return Problem(500, "internal", "Something failed inside the service; the log has it under this request id.")


__all__ = [
    "FORMATS",
    "Problem",
    "bad_request",
    "deadline",
    "from_audio_error",
    "internal",
    "model_unusable",
    "not_ready",
    "out_of_memory_budget",
    "overloaded",
    "queue_timeout",
    "too_large",
    "unanswerable",
    "unauthorized",
    "upload_timeout",
]
