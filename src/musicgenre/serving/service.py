"""The BentoML service: one worker, one engine, our own application at `/`.

``bentoml serve musicgenre.serving.service:MusicGenre`` runs it, a built bento
points at it, and `musicgenre serve` is the same with the project's parameters.
"""

from __future__ import annotations

import gc
import logging
import os

# BentoML reads this when it is imported.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import bentoml

from musicgenre.bundle.allocator import return_memory
from musicgenre.serving.app import Application
from musicgenre.serving.drain import Drain
from musicgenre.serving.engine import Engine
from musicgenre.serving.envelope import Envelope
from musicgenre.serving.locate import locate
from musicgenre.serving.settings import load_settings

logger = logging.getLogger("musicgenre.serving")

# BentoML's own timer cannot be switched off; it must never be the first to fire.
BACKSTOP_S = 30.0

application = Application(load_settings())
drain = Drain()


def log_to_stderr() -> None:
    """One JSON object a line for requests, one line of text for the rest; BentoML's formatter would wrap them."""
    for name, form in (("musicgenre.access", "%(message)s"), ("musicgenre.serving", "%(levelname)s %(message)s")):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(form))
        target = logging.getLogger(name)
        target.handlers, target.propagate = [handler], False
        target.setLevel(logging.INFO)


@bentoml.asgi_app(application, path="/")
@bentoml.service(
    name="musicgenre",
    # The service answers overload, deadlines, figures and its access log itself: BentoML's forms of
    # them come after the body is read, have other error shapes, or label figures by any path sent.
    traffic={"timeout": application.settings.request_timeout_s + BACKSTOP_S},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Nobody collects spans here, and one is made for every piece of a body: a fifth of the event loop's time.
    tracing={"excluded_urls": ".*"},
    workers=1,
)
class MusicGenre:
    """Genre, probabilities and a timeline for an audio file."""

    def __init__(self) -> None:
        return_memory()
        log_to_stderr()
        self.engine = Engine(locate(), application.settings, application.metrics)
        self.engine.load()
        application.engine = self.engine
        # What is loaded stays: the collector need not walk it again for every few requests.
        gc.collect()
        gc.freeze()

    def __is_ready__(self) -> bool:
        return self.engine.ready and not drain.active

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no annotations here
    def close(self) -> None:
        """End the listeners, tidy the figures."""
        self.engine.close()
        application.metrics.close()


MusicGenre.add_asgi_middleware(  # type: ignore[attr-defined]  # the decorator has made it a Service
    Envelope, metrics=lambda: application.metrics, not_ready=application.not_ready, drain=drain
)

__all__ = ["MusicGenre", "application"]
