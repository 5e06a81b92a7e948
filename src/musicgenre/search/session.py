"""What runs a trial, wherever it is: a local process or a cluster's actor.

A `Session` opens the data once and then fits one configuration after another.
It knows neither Optuna nor MLflow: it says what happens (`ask`), and is told
whether to go on.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicgenre.atomic import atomic_directory
from musicgenre.errors import MusicGenreError
from musicgenre.layout import Layout
from musicgenre.models.base import Family
from musicgenre.params import FamilySearch

if TYPE_CHECKING:
    from musicgenre.models.base import Fitted
    from musicgenre.models.corpus import Corpus

MEMBER = "member.json"
VALIDATION = "validation.parquet"
_LINE = 300  # characters of a reason

Message = dict[str, Any]
Ask = Callable[[Message], Message]
"""Say what happened and wait for the answer."""


class Stopped(BaseException):
    """The trial was told to end. Not an `Exception`: a family that catches errors must not catch this."""


def load_family(reference: str) -> Family:
    """A family by its name, or by `module:attribute` (a callable that makes one)."""
    if ":" in reference:
        module, attribute = reference.split(":", 1)
        family: Family = getattr(import_module(module), attribute)()
        return family
    from musicgenre.models import families

    return families.get(reference)


def one_line(error: BaseException) -> str:
    """What went wrong, in one line a person can read."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        text = f"out of memory{f' ({text})' if text else ''}"
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = f"no space left on the disk{f' ({error.filename})' if error.filename else ''}"
    elif not isinstance(error, MusicGenreError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:_LINE]


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    import psutil

    return float(psutil.Process().memory_info().rss / 1e6)


def forget() -> None:
    """Give back what a finished trial held: Keras' global graph, cycles, and the allocator's free pages."""
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.backend.clear_session()
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another libc: nothing to trim
            ctypes.CDLL("libc.so.6").malloc_trim(0)


class Session:
    """One worker's state between trials.

    Parameters
    ----------
    root
        The project's folder.
    reference
        See `load_family`.
    """

    def __init__(self, root: Path, reference: str) -> None:
        from musicgenre.models.corpus import Corpus

        self.family = load_family(reference)
        self.corpus: Corpus = Corpus.open(Layout(root), splits=("train", "validation"))

    def run(self, task: Message, ask: Ask) -> Message:
        """Fit one configuration; the returned message's `event` is done, stopped or failed. Nothing is raised."""
        block = FamilySearch.model_validate(task["block"])
        started = time.perf_counter()

        def report(epoch: int, metrics: Mapping[str, float]) -> None:
            values = {name: float(value) for name, value in metrics.items()}
            if ask({"event": "epoch", "epoch": int(epoch), "metrics": values, "moment_ms": time.time_ns() // 1_000_000}).get("stop"):
                raise Stopped

        try:
            fitted = self.family.fit(task["config"], self.corpus, block=block, seed=int(task["seed"]), report=report)
            fit_s = time.perf_counter() - started
            result = self._measure(fitted, fit_s, task, ask)
            del fitted
        except Stopped:
            result = {"event": "stopped"}
        except Exception as error:  # whatever a trial does, the study goes on
            code = error.code if isinstance(error, MusicGenreError) else type(error).__name__
            result = {"event": "failed", "code": code, "reason": one_line(error)}
            if os.environ.get("MUSICGENRE_DEBUG"):
                import traceback

                result["traceback"] = traceback.format_exc()
        forget()
        return {**result, "rss_mb": resident_mb()}

    def _measure(self, fitted: Fitted, fit_s: float, task: Message, ask: Ask) -> Message:
        import numpy as np

        from musicgenre.evaluation.metrics import headline

        rows = self.corpus.rows("validation")
        p = np.asarray(fitted.predict(self.corpus, "validation"), dtype=np.float64)
        if p.shape != (len(rows), len(self.corpus.classes)) or not np.isfinite(p).all():
            return {"event": "failed", "code": "nan", "reason": f"probabilities {list(p.shape)} hold values that are not numbers"}
        metrics = {name: value for name, value in headline(rows["label"].to_numpy(), p).items() if np.isfinite(value)}
        said = {"metrics": metrics, "value": metrics["macro_f1"], "fit_s": fit_s, "n_parameters": int(fitted.n_parameters)}
        keep = Path(task["keep"])
        if task["objective2"] == "none":
            if ask({"event": "fitted", **said}).get("keep"):
                self._save(fitted, p, keep)
            return {"event": "done", **said}
        self._save(fitted, p, keep)  # the cost is that of the exported graph
        return {"event": "done", **said, "cost": cost(keep, task["objective2"])}

    def _save(self, fitted: Fitted, p: Any, directory: Path) -> None:
        """Everything the winner's folder is made of; whole or not at all."""
        rows = self.corpus.rows("validation")
        with atomic_directory(directory) as temporary:
            fitted.save(temporary)
            member = replace(fitted.export(temporary), name=self.family.name)
            (temporary / MEMBER).write_text(json.dumps(asdict(member), indent=1), encoding="utf-8")
            table = rows[["track_id", "genre"]].reset_index(drop=True)
            for index, name in enumerate(self.corpus.classes):
                table[f"p_{name}"] = p[:, index].astype("float32")
            table.to_parquet(temporary / VALIDATION)


def cost(directory: Path, objective: str) -> float:
    """The second objective of an exported member: `size` in bytes, or `latency` in ms of one track of eight segments on one thread."""
    from musicgenre.bundle.spec import MemberSpec

    member = MemberSpec.from_dict(json.loads((directory / MEMBER).read_text(encoding="utf-8")))
    graph = directory / member.file
    if objective == "size":
        return float(graph.stat().st_size)
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {item.name: rng.normal(size=(8, *item.shape)).astype(np.float32) for item in member.inputs}
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        session.run([member.output], feed)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[2:]) * 1000)


__all__ = ["MEMBER", "VALIDATION", "Ask", "Message", "Session", "Stopped", "cost", "forget", "load_family", "one_line", "resident_mb"]
