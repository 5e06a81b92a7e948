"""The service against a plain BentoML service with Keras and librosa: same machine, same run, same network, same clip.

    python benchmarks/serving.py [--quick] [--json]

Load comes from a process of its own over HTTP. Every request has other bytes, so
that the answer cache of ours never helps, but where the table says "cached".
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

for _name, _value in {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}.items():
    os.environ.setdefault(_name, _value)

from musicgenre.serving.packaging.smoke import Served, serving  # noqa: E402  # the variables above come first
from musicgenre.serving.run import SERVICE  # noqa: E402

HERE = Path(__file__).resolve().parent
CLASSES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
SECONDS = 30
SEGMENT_S = 3.0

PREPARE = """
import sys
from pathlib import Path
import keras, numpy as np, onnx, soundfile
from keras import layers
from musicgenre.bundle.files import write_bundle
from musicgenre.bundle.spec import MemberSpec
from musicgenre.features.frontend import FrontEnd
from musicgenre.features.segments import InputSpec, Segmenting
from musicgenre.models.onnx.keras_graph import keras_to_onnx

folder, classes, seconds, length = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), float(sys.argv[4])
keras.utils.set_random_seed(1)
front_end = FrontEnd()

def branch(name, bands, frames):
    given = keras.Input((frames, bands), name=name)
    # The shape of the `cnn` family's default: frames averaged by two, four blocks of 8 to 64 filters.
    x = layers.Normalization(mean=-40.0, variance=400.0)(layers.Reshape((frames, bands, 1))(given))
    x = layers.AveragePooling2D((2, 1))(x)
    for filters in (8, 16, 32, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(x)
    return given, layers.GlobalAveragePooling2D()(x)

def bundle(kinds):
    frames = {kind: round(length * front_end.rate(kind)) for kind in kinds}
    parts = [branch(kind, front_end.bands(kind), frames[kind]) for kind in kinds]
    x = parts[0][1] if len(parts) == 1 else layers.Concatenate()([part[1] for part in parts])
    model = keras.Model([part[0] for part in parts], layers.Dense(len(classes), activation="softmax")(x))
    title = "-".join(kinds)
    source = folder / f"{title}-source"
    source.mkdir()
    onnx.save(keras_to_onnx(model, title=title, names=tuple(kinds)), source / "net.onnx")
    inputs = tuple(InputSpec(kind, kind, front_end.rate(kind), (frames[kind], front_end.bands(kind))) for kind in kinds)
    member = MemberSpec(name="net", family="cnn", file="net.onnx", inputs=inputs, segmenting=Segmenting(length, length / 2))
    write_bundle(folder / title, classes=classes, front_end=front_end, members=[(member, source)])
    model.save(folder / f"{title}.keras")
    return frames

frames = bundle(["mel"])
bundle(["mel", "scalogram"])
(folder / "frames").write_text(str(frames["mel"]))
rate = front_end.sample_rate
time = np.arange(seconds * rate) / rate
noise = np.random.default_rng(1).standard_normal(len(time))
sound = 0.3 * np.sin(2 * np.pi * (220 + 40 * np.sin(time)) * time) + 0.05 * noise * (np.sin(2 * np.pi * 2 * time) > 0)
sound[:8] = 0
soundfile.write(folder / "clip.wav", sound, rate, subtype="PCM_16")
"""


def load(url: str, clip: Path, *words: str) -> dict[str, Any]:
    """Run the load generator; its JSON."""
    command = [sys.executable, str(HERE / "load.py"), url, str(clip), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def cpu_seconds(served: Served) -> float:
    """User and system time of all processes of a service so far; says more than a clock where other work runs beside."""
    return sum(sum(process.cpu_times()[:2]) for process in (served.process, *served.process.children(recursive=True)))


def measure(served: Served, clip: Path, *, path: str, multipart: bool, single: int, seconds: float) -> dict[str, float]:
    """Figures of one running service."""
    url, extra = f"{served.url}{path}", ["--multipart"] if multipart else []
    load(url, clip, "--most", "3", "--seconds", "120", *extra)  # warm
    before = cpu_seconds(served)
    alone = load(url, clip, "--most", str(single), "--seconds", "600", *extra)["latencies_ms"]
    spent = cpu_seconds(served) - before
    crowd = load(url, clip, "--clients", "32", "--seconds", str(seconds), *extra)
    return {
        "p50": statistics.median(alone),
        "p99": quantile(alone, 0.99),
        "cpu": 1000 * spent / len(alone),
        "throughput": crowd["statuses"].get("200", 0) / crowd["seconds"],
        "ready": served.ready_s,
        "memory": memory_mb(served),
        "refused": crowd["statuses"].get("429", 0),
    }


def memory_mb(served: Served) -> float:
    """The worker and its listening processes some seconds later, pages that they share counted once (proportional set size)."""
    time.sleep(5)
    return sum(process.memory_full_info().pss for process in served.process.children(recursive=True)) / 1e6


def environment(scratch: Path, **variables: str) -> Mapping[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MUSICGENRE_")}
    return {**clean, "BENTOML_HOME": str(scratch / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(HERE), **variables}


def run(quick: bool) -> dict[str, dict[str, Any]]:
    """Both services, one after the other."""
    with tempfile.TemporaryDirectory(prefix="musicgenre-bench-") as folder:
        scratch = Path(folder)
        subprocess.run([sys.executable, "-c", PREPARE, folder, ",".join(CLASSES), str(SECONDS), str(SEGMENT_S)], check=True)
        clip = scratch / "clip.wav"
        python = Path(sys.executable)
        variables = environment(
            scratch, NAIVE_MODEL=str(scratch / "mel.keras"), NAIVE_CLASSES=",".join(CLASSES), NAIVE_FRAMES=(scratch / "frames").read_text()
        )
        count, seconds = (30, 5.0) if quick else (300, 20.0)
        with serving("naive_service:Naive", python=python, variables=variables, timeout_s=300, cwd=HERE) as served:
            naive = measure(served, clip, path="/classify", multipart=True, single=8 if quick else 40, seconds=2 * seconds)
        variables = environment(scratch, MUSICGENRE_BUNDLE=str(scratch / "mel"))
        with serving(SERVICE, python=python, variables=variables, timeout_s=120) as served:
            ours = measure(served, clip, path="/classify", multipart=True, single=count, seconds=seconds)
            cached = load(f"{served.url}/classify", clip, "--same", "--most", str(count), "--seconds", "60")["latencies_ms"]
        variables = environment(scratch, MUSICGENRE_BUNDLE=str(scratch / "mel-scalogram"))
        with serving(SERVICE, python=python, variables=variables, timeout_s=120) as served:
            wide = measure(served, clip, path="/classify", multipart=True, single=count // 2, seconds=seconds)

    def figure(ours_: float, naive_: float | None, unit: str, *, more_is_better: bool = False) -> dict[str, Any]:
        ratio = None if naive_ is None else (ours_ / naive_ if more_is_better else naive_ / ours_)
        rounded = None if naive_ is None else round(naive_, 2)
        return {"ours": round(ours_, 2), "naive": rounded, "ratio": ratio and round(ratio, 1), "unit": unit, "error": ""}

    return {
        "p50, 30 s WAV, one client, mel": figure(ours["p50"], naive["p50"], "ms"),
        "p99, 30 s WAV, one client, mel": figure(ours["p99"], naive["p99"], "ms"),
        "processor time a clip, mel": figure(ours["cpu"], naive["cpu"], "ms"),
        "throughput, 32 clients, mel": figure(ours["throughput"], naive["throughput"], "clips/s", more_is_better=True),
        "p50 of a cached answer": figure(statistics.median(cached), None, "ms"),
        "p50, one client, mel + scalogram": figure(wide["p50"], None, "ms"),
        "p99, one client, mel + scalogram": figure(wide["p99"], None, "ms"),
        "processor time a clip, mel + scalogram": figure(wide["cpu"], None, "ms"),
        "throughput, 32 clients, mel + scalogram": figure(wide["throughput"], None, "clips/s"),
        "start to ready": figure(ours["ready"], naive["ready"], "s"),
        "memory of worker and listeners after load": figure(ours["memory"], naive["memory"], "MB"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    chosen = parser.parse_args()
    figures = run(chosen.quick)
    if chosen.json:
        print(json.dumps(figures))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, title=f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    for column in ("figure", "ours", "Keras + librosa", "ratio", "unit"):
        table.add_column(column, justify="left" if column in ("figure", "unit") else "right")
    for name, row in figures.items():
        naive, ratio = row["naive"], row["ratio"]
        table.add_row(name, str(row["ours"]), "" if naive is None else str(naive), "" if ratio is None else f"{ratio} ×", row["unit"])
    Console().print(table)


if __name__ == "__main__":
    main()
