"""Training against the naive way: same process, same threads, CPU seconds.

    python benchmarks/training.py [--quick] [--json]

* an epoch of a transfer head on stored embeddings, against the frozen backbone in the graph;
* an epoch of partial fine-tuning from activations kept at the boundary, against the whole graph;
* both phases of fine-tuning as the published VGG16 systems have them (50 epochs of the head, 10 of the last layers), what is kept
  included; the sum of the epochs that were measured;
* frozen backbones through ONNX Runtime, against Keras;
* our training step fed with NumPy batches, against `model.fit`;
* the same step fed with stored features (cut from the memory map; held in memory), against tensors that are ready beforehand;
* the same step with XLA, and in bfloat16, against plain float32 (what `models.training` uses).

Backbones carry random numbers here: speed does not depend on the weights, and none need be downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from musicgenre.features.segments import InputSpec, Segmenting, segment_times
from musicgenre.features.store import FeatureStore, StoreWriter
from musicgenre.models.ahead import ahead
from musicgenre.models.backbones.melnet import Melnet
from musicgenre.models.boundary import divide
from musicgenre.models.families.cnn import CnnConfig, build
from musicgenre.models.inputs import Cutter, Rows, Segments
from musicgenre.models.onnx.check import session
from musicgenre.models.onnx.keras_graph import keras_to_onnx
from musicgenre.models.training import Recipe, make_optimizer, make_step

CLASSES = 10
PHASES = (50, 10)  # epochs of the head, then of the last layers
Figures = dict[str, dict[str, Any]]


def cpu(function: Callable[[], Any], times: int) -> float:
    """CPU seconds of the fastest of `times` runs, after one to warm up."""
    function()
    taken = []
    for _ in range(times):
        started = time.process_time()
        function()
        taken.append(time.process_time() - started)
    return min(taken)


def figure(ours: float, naive: float, unit: str, *, error: float | None = None) -> dict[str, Any]:
    return {"ours": ours, "naive": naive, "ratio": naive / ours, "unit": unit, "error": error}


def backbone(name: str, size: int) -> keras.Model:
    """A frozen image network with pooled output, and random weights."""
    kind = {"mobilenet_v2": keras.applications.MobileNetV2, "vgg16": keras.applications.VGG16}[name]
    model = kind(input_shape=(size, size, 3), include_top=False, weights=None, pooling="avg")
    model.trainable, model.name = False, name
    return model


def shipped() -> keras.Model:
    """melnet with its own weights, on segments of 3 s."""
    network = Melnet()
    return network.build((129, 96), network.find())


def head(dimensions: int) -> keras.Model:
    source = keras.Input((dimensions,))
    value = keras.layers.Dropout(0.3)(keras.layers.Dense(128, activation="relu")(source))
    return keras.Model(source, keras.layers.Dense(CLASSES, activation="softmax")(value))


def epoch(step: Callable[..., Any], rows: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], batch: int) -> None:
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        step((tf.constant(part),), tf.constant(labels[start : start + batch]), tf.ones(len(part)))


def transfer(name: str, images: int, size: int, times: int) -> Figures:
    """Seconds per segment and epoch of a head, and images a second of the frozen network."""
    rng = np.random.default_rng(0)
    data = rng.random((images, size, size, 3), dtype=np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, images)]
    network = backbone(name, size)
    whole_source = keras.Input((size, size, 3))
    whole = keras.Model(whole_source, head(int(network.output_shape[-1]))(network(whole_source, training=False)))
    whole_step = _step(whole)
    naive = cpu(lambda: epoch(whole_step, data, labels, 32), times) / images

    many = 2048
    vectors = rng.random((many, int(network.output_shape[-1])), dtype=np.float32)
    their_labels = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, many)]
    small = _step(head(vectors.shape[1]))
    ours = cpu(lambda: epoch(small, vectors, their_labels, 64), times) / many

    running = session(keras_to_onnx(network, title=name, names=("x",)), threads=1)
    got = running.run(None, {"x": data[:8]})[0]
    expected = np.asarray(network(data[:8], training=False))
    error = float(np.abs(got - expected).max() / np.abs(expected).max())
    with_onnx = cpu(lambda: [running.run(None, {"x": data[i : i + 16]}) for i in range(0, images, 16)], times) / images
    with_keras = cpu(lambda: network.predict(data, batch_size=32, verbose=0), times) / images
    return {
        f"head epoch, {name}": figure(ours, naive, "CPU s a segment"),
        f"embedding, {name}": figure(with_onnx, with_keras, f"CPU s an image of {size} × {size}", error=error),
    }


def tuning(network: keras.Model, unfreeze: int, images: int, times: int) -> Figures:
    """CPU seconds a segment, of the last `unfreeze` layers and a head: one epoch, and both phases; from what is kept, and in the graph."""
    rng = np.random.default_rng(0)
    shape = network.input_shape[1:]
    data = rng.random((images, *shape), dtype=np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, images)]
    source = keras.Input(shape)
    frozen = keras.Model(source, head(int(network.output_shape[-1]))(network(source, training=False)))
    frozen_step = _step(frozen)
    naive_first = cpu(lambda: epoch(frozen_step, data, labels, 32), times)

    def once(model: keras.Model) -> tuple[float, np.ndarray[Any, Any]]:
        """CPU seconds of `model` over all images as it runs where its output is kept, and that output."""
        running = session(keras_to_onnx(model, title=model.name, names=("x",)), threads=1)
        made: list[np.ndarray[Any, Any]] = []

        def work() -> None:
            made[:] = [running.run(None, {"x": data[start : start + 16]})[0] for start in range(0, images, 16)]

        return cpu(work, times), np.concatenate(made)

    embedding, vectors = once(network)
    first_step = _step(head(vectors.shape[1]))
    first = cpu(lambda: epoch(first_step, vectors, labels, 32), times)

    halves = divide(network, unfreeze)
    top = head(int(halves.after.output_shape[-1]))
    source = keras.Input(shape)
    whole = keras.Model(source, top(halves.after(halves.before(source))))
    kept = keras.Model(halves.after.inputs[0], top(halves.after.outputs[0]))
    keeping, rows = once(halves.before)
    expected = np.asarray(whole(data[:8], training=False))
    error = float(np.abs(np.asarray(kept(rows[:8], training=False)) - expected).max())
    whole_step, kept_step = _step(whole), _step(kept)
    naive = cpu(lambda: epoch(whole_step, data, labels, 32), times)
    ours = cpu(lambda: epoch(kept_step, rows, labels, 32), times)
    both_naive = PHASES[0] * naive_first + PHASES[1] * naive
    both = embedding + PHASES[0] * first + keeping + PHASES[1] * ours
    return {
        f"fine-tuning epoch, last {unfreeze} of {network.name}": figure(ours / images, naive / images, "CPU s a segment", error=error),
        f"both phases, last {unfreeze} of {network.name}": figure(both / images, both_naive / images, "CPU s a segment"),
    }


def _step(model: keras.Model) -> Callable[..., Any]:
    recipe = Recipe(epochs=1)
    return make_step(model, make_optimizer(recipe, 1))


def scratch(segments: int, times: int) -> Figures:
    """An epoch of the house CNN: our loop against `model.fit`, XLA and bfloat16."""
    rng = np.random.default_rng(0)
    rows = rng.normal(-40, 15, (segments, 129, 96)).astype(np.float16)
    labels = rng.integers(0, CLASSES, segments)
    statistics = (np.full(96, -40, np.float32), np.full(96, 15, np.float32))
    targets = np.eye(CLASSES, dtype=np.float32)

    def fresh() -> keras.Model:
        return build(CnnConfig(), (129, 96), statistics, CLASSES, top_db=80.0)

    data = Segments((rows,), np.arange(segments), labels, segments)
    step = _step(fresh())

    def ours() -> None:
        for start in range(0, segments, 32):
            chosen = np.arange(start, min(start + 32, segments))
            step(tuple(map(tf.constant, data.batch(chosen))), tf.constant(targets[labels[chosen]]), tf.ones(len(chosen)))

    everything, wanted = rows.astype(np.float32), targets[labels]

    def keras_epoch(*, xla: bool, policy: str) -> float:
        keras.config.set_dtype_policy(policy)
        model = fresh()
        keras.config.set_dtype_policy("float32")
        model.compile("adam", "categorical_crossentropy", jit_compile=xla)
        return cpu(lambda: model.fit(everything, wanted, batch_size=32, verbose=0), times)

    plain = cpu(ours, times)
    return {
        "CNN epoch, against model.fit": figure(plain, keras_epoch(xla=False, policy="float32"), "CPU s"),
        "CNN epoch, against XLA": figure(plain, keras_epoch(xla=True, policy="float32"), "CPU s"),
        "CNN epoch, against bfloat16": figure(plain, keras_epoch(xla=False, policy="mixed_bfloat16"), "CPU s"),
    }


def feeding(tracks: int, rounds: int) -> Figures:
    """Wall-clock seconds of a house CNN step on stored float16 segments, made ahead as in training, and on random tensors that are ready.

    Medians over rounds of twelve steps each, the three kinds of a round one after the other.
    """
    steps = 12
    rng, batch, shape = np.random.default_rng(0), 32, (129, 96)
    statistics = (np.full(96, -40, np.float32), np.full(96, 15, np.float32))
    step = _step(build(CnnConfig(), shape, statistics, CLASSES, top_db=80.0))
    targets = np.eye(CLASSES, dtype=np.float32)
    ready = [
        (
            (tf.constant(rng.normal(-40, 15, (batch, *shape)).astype(np.float32)),),
            tf.constant(targets[rng.integers(0, CLASSES, batch)]),
            tf.ones(batch),
        )
        for _ in range(steps)
    ]
    with tempfile.TemporaryDirectory() as name:
        spec = {"kind": "mel", "feature_id": "", "kind_id": "", "rate": 22050 / 512, "bands": 96, "dtype": "float16", "front_end": {}}
        names = [f"{number:05d}" for number in range(tracks)]
        with StoreWriter(Path(name) / "mel", spec) as writer:
            for track in names:
                writer.add(track, rng.normal(-40, 15, (1292, 96)).astype(np.float16), duration_s=30.0)
        segmenting = Segmenting(length_s=3.0, hop_s=1.5)
        times = segment_times(30.0, segmenting)
        owners = np.repeat(np.arange(tracks), len(times))
        cutter = Cutter(
            FeatureStore.open(Path(name) / "mel"),
            InputSpec(name="mel", kind="mel", rate=22050 / 512, shape=shape),
            segmenting,
            np.array(names, dtype=object)[owners],
            np.tile(times, tracks),
        )
        labels = rng.integers(0, CLASSES, len(owners))
        sources: dict[str, Rows] = {"held in memory": cutter[np.arange(len(owners))], "cut from the memory map": cutter}
        taken: dict[str, list[float]] = {title: [] for title in ("ready", *sources)}

        def batches(data: Segments) -> Iterator[Any]:
            for _ in range(steps):
                chosen = rng.choice(len(owners), batch, replace=False)
                inputs = tuple(map(tf.constant, data.batch(chosen)))
                yield inputs, tf.constant(targets[labels[chosen]]), tf.constant(np.ones(batch), tf.float32)

        def fed(data: Segments) -> None:
            for item in ahead(batches(data)):
                float(step(*item)[0])

        def cached() -> None:
            for item in ready:
                float(step(*item)[0])

        def timed(title: str, run: Callable[[], Any]) -> None:
            started = time.perf_counter()
            run()
            taken[title].append((time.perf_counter() - started) / steps)

        splits = {title: Segments((rows,), owners, labels, tracks) for title, rows in sources.items()}
        for _ in range(rounds):
            timed("ready", cached)
            for title, data in splits.items():
                timed(title, lambda data=data: fed(data))
    median = {title: float(np.median(seconds[1:])) for title, seconds in taken.items()}
    return {f"step, segments {title}": figure(median[title], median["ready"], "s; naive: ready tensors") for title in sources}


def show(figures: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "ours", "naive", "ratio", "unit", "relative error", title="Training")
    for name, value in figures.items():
        error = "" if value["error"] is None else f"{value['error']:.1e}"
        table.add_row(name, f"{value['ours']:.3g}", f"{value['naive']:.3g}", f"{value['ratio']:.2f}×", value["unit"], error)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)  # as many as a trial has
    tf.config.threading.set_inter_op_parallelism_threads(1)
    times = 1 if options.quick else 3
    size = 96 if options.quick else 224
    figures = {
        **transfer("mobilenet_v2", 32 if options.quick else 128, size, times),
        **transfer("vgg16", 16 if options.quick else 64, size, times),
        **tuning(shipped(), 1, 256 if options.quick else 512, times),
        **tuning(backbone("mobilenet_v2", size), 1, 64 if options.quick else 128, times),
        **tuning(backbone("mobilenet_v2", size), 3, 64 if options.quick else 128, times),
        **tuning(backbone("vgg16", size), 3, 16 if options.quick else 64, times),
        **scratch(256 if options.quick else 1024, times),
        **feeding(30 if options.quick else 200, 8 if options.quick else 30),
    }
    if options.json:
        json.dump(figures, sys.stdout)
        print()
    else:
        show(figures)


if __name__ == "__main__":
    main()
