"""From an upload to a classification: decoding and features in a process that may die, model in a bounded pool.

The event loop never computes: a clip is one job in a thread that waits for the
listening process and then runs the model (which releases the interpreter).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from musicgenre.errors import AudioError, DecoderCrashed, MusicGenreError, TooLarge, UnsupportedFormat
from musicgenre.serving import problems
from musicgenre.serving.admission import Admission
from musicgenre.serving.answers import Classified, ModelIdentity
from musicgenre.serving.cache import AnswerCache
from musicgenre.serving.locate import Located, with_registry
from musicgenre.serving.memory import Trimmer
from musicgenre.serving.uploads import MEGABYTE, ByteBudget, Upload

if TYPE_CHECKING:
    from musicgenre.bundle.listen import Listener
    from musicgenre.bundle.predictor import Predictor
    from musicgenre.params import ServeParams
    from musicgenre.serving.metrics import Metrics

logger = logging.getLogger("musicgenre.serving")

REGISTRY = Path("models/registry.json")  # of the project that the service runs in; a bento carries its entry along
# What a listening process may map, libraries included (their address space alone is about 300 MB).
LISTENER_MEMORY_BYTES = 1 << 30
# Of the request's time; a turn that comes with less than this left is of no use.
_LEAST_SHARE = 0.05
# Bytes: below this a thread costs more than the hash.
_HASHED_AT_ONCE = 1 << 16


def workers_of(settings: ServeParams) -> int:
    """Listening processes: `concurrency`, or one for every core this process may use."""
    return settings.concurrency or len(os.sched_getaffinity(0))


def _content_decides(error: BaseException) -> bool:
    """Whether the same bytes will fail the same way again."""
    return isinstance(error, MusicGenreError) and not isinstance(error, DecoderCrashed | TooLarge)


class Engine:
    """One worker's model, listeners, queue and cache.

    `ready` is true once the model has answered its golden clip right; until
    then, and when it cannot, `reason` says why.
    """

    def __init__(self, located: Located, settings: ServeParams, metrics: Metrics) -> None:
        self.located = located
        self.settings = settings
        self.metrics = metrics
        self.workers = workers_of(settings)
        # As many clips again come out of the queue, so that a listener has the next one while the model hears the last.
        ahead = min(self.workers, settings.max_queue)
        self.slots = self.workers + ahead
        self.admission = Admission(self.slots, settings.max_queue - ahead, settings.request_timeout_s)
        self.budget = ByteBudget(int(settings.max_inflight_mb * MEGABYTE))
        self.cache: AnswerCache[Classified] = AnswerCache(settings.cache_entries, _content_decides)
        self.ready = False
        self.failed = False
        self.reason = "The model is being loaded."
        self.started = time.time()
        self.identity = ModelIdentity(located.name, located.version, "")
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="classify")
        self._predictor: Predictor | None = None
        self._listener: Listener | None = None
        self._trimmer = Trimmer()

    @property
    def predictor(self) -> Predictor:
        assert self._predictor is not None, "load() comes first"
        return self._predictor

    def load(self) -> None:
        """Load the model, start the listeners, ask the golden clip. Failure leaves the service alive and not ready."""
        try:
            self._load()
        except MusicGenreError as error:
            self.reason, self.failed = str(error), True
            logger.error("not ready: %s", error)

    def not_ready(self) -> problems.Problem:
        """Why this worker cannot classify now; a model that does not load will not do so later."""
        return problems.model_unusable() if self.failed else problems.not_ready(self.reason)

    def _load(self) -> None:
        from musicgenre.audio import PlainLimits
        from musicgenre.bundle.golden import check, clip
        from musicgenre.bundle.listen import Listener
        from musicgenre.bundle.predictor import Predictor

        settings = self.settings
        self._predictor = predictor = Predictor.load(self.located.path, threads=settings.threads)
        limits = PlainLimits(
            max_duration_s=settings.max_duration_s,
            max_bytes=int(settings.max_upload_mb * MEGABYTE),
            decode_timeout_s=settings.request_timeout_s,
        )
        self._listener = listener = Listener(
            predictor.spec.front_end, predictor.kinds, limits=limits, workers=self.workers, memory_bytes=LISTENER_MEMORY_BYTES
        )
        listener.start()
        digest = predictor.spec.digest
        if not self.located.version:
            self.located = with_registry(self.located, REGISTRY, digest)
        self.identity = ModelIdentity(self.located.name, self.located.version, digest)
        # The same way as every clip, through each listener; this process needs no front end.
        for heard in listener.map(listener.samples, [clip(predictor.sample_rate)] * self.workers):
            check(predictor, heard)
        self.ready, self.reason = True, ""

    def close(self) -> None:
        """End the listeners; called when no request is under way any more."""
        self.ready, self.reason = False, "The service is shutting down."
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._listener is not None:
            self._listener.close()

    def _work(self, data: bytes) -> Classified:
        """In a thread of the pool: the whole way of one clip."""
        assert self._listener is not None
        listened = self._listener.bytes(data)
        began = time.perf_counter()
        prediction = self.predictor.classify_heard(listened.heard)
        seconds = {**listened.seconds, "model": time.perf_counter() - began}
        for stage, taken in seconds.items():
            self.metrics.stage_seconds.labels(stage).observe(taken)
        cut_off = ("truncated: the file ends before its header says it does.",) if listened.info.truncated else ()
        return Classified(prediction, listened.info.format, tuple(prediction.warnings) + cut_off)

    async def _job(self, data: bytes, deadline: float) -> Classified:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self.admission.slot(deadline - _LEAST_SHARE * self.settings.request_timeout_s):
            began = loop.time()
            self.metrics.stage_seconds.labels("queue").observe(began - asked)
            try:
                return await loop.run_in_executor(self._pool, self._work, data)
            finally:
                self.admission.observe(loop.time() - began)
                self._trimmer.soon()

    async def classify(self, upload: Upload, deadline: float) -> tuple[Classified, bool]:
        """Classify one upload.

        Parameters
        ----------
        deadline
            Of the loop's clock. A clip that is late is answered with 504; its slot is
            freed only when the work has really ended.

        Returns
        -------
        result, cached
            `cached` is true where no work was done for this call.

        Raises
        ------
        Problem
            By the taxonomy of `problems`.
        """
        sniff(upload.data)
        try:
            async with asyncio.timeout_at(deadline):
                key = await content_key(upload.data)
                result, cached = await self.cache.get(key, lambda: self._job(upload.data, deadline))
        except TimeoutError:
            raise problems.deadline(self.settings.request_timeout_s) from None
        except AudioError as error:
            raise problems.from_audio_error(error) from error
        except MusicGenreError as error:
            logger.warning("no answer: %s", error)
            raise problems.unanswerable() from error
        self.metrics.cache.labels("hit" if cached else "miss").inc()
        self.metrics.audio_seconds.inc(result.prediction.duration_s)
        return result, cached


async def content_key(data: bytes) -> str:
    """SHA-256 of an upload in hex; taken in a thread, because a whole clip would hold the event loop up for a millisecond or two."""
    if len(data) < _HASHED_AT_ONCE:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())


def sniff(data: bytes) -> None:
    """Refuse, before any queue, what by its first bytes is no audio.

    Raises
    ------
    Problem
        415 for another kind of content, 422 for none.
    """
    from musicgenre.audio.sniff import sniff as container_of
    from musicgenre.errors import EmptyAudio

    if not data:
        raise problems.from_audio_error(EmptyAudio("The upload has 0 bytes."))
    if container_of(io.BytesIO(data)) is None:
        raise problems.from_audio_error(UnsupportedFormat("The content is not audio that can be read here."))


__all__ = ["LISTENER_MEMORY_BYTES", "Engine", "sniff", "workers_of"]
