"""Training melnet: clips with known labels, many linear heads on one vector, weights and a card at the end.

Everything can be killed and run again: clips are kept in shards, training in a
checkpoint an epoch, both under the work cache and both named after what they depend on.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicgenre.atomic import atomic_path, write_json
from musicgenre.features.frontend import FrontEnd
from musicgenre.lineage import canonical_hash, file_sha256
from musicgenre.models.backbones import melnet
from musicgenre.progress import progress
from musicgenre.quiet import quiet_native

if TYPE_CHECKING:
    import keras

SHARD = 256
FRAMES = 129  # 3 s


@dataclass(frozen=True)
class MelnetPlan:
    """What to train on and how long.

    Attributes
    ----------
    clips
        Training clips; clip i has seed i. `held_out` further ones measure.
    """

    clips: int = 8192
    held_out: int = 512
    epochs: int = 10
    batch: int = 64
    rate: float = 2e-3
    seed: int = 5


def _shard(index: int, front_end: FrontEnd, folder: Path) -> Path:
    """Mel [256, frames, 96] float16 and labels [256, L] of clips 256·index …, computed once."""
    from musicgenre.synth.corpus import LABELS, clip

    path = folder / f"shard-{index:04d}.npz"
    if path.is_file():
        return path
    mels, labels = [], []
    for seed in range(index * SHARD, (index + 1) * SHARD):
        samples, truth = clip(seed)
        mels.append(front_end.compute(samples, ["mel"])["mel"])
        labels.append([truth[name] for name in LABELS])
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, mel=np.stack(mels).astype(np.float16), labels=np.array(labels, dtype=np.int16))
    return path


def load_clips(first: int, count: int, front_end: FrontEnd, work: Path) -> tuple[NDArray[np.float16], NDArray[np.int16]]:
    """Clips `first` … `first + count` (multiples of 256): mel float16 [count, frames, bands], labels int16 [count, L]."""
    from musicgenre.synth import corpus

    folder = work / f"clips-{canonical_hash([front_end.kind_id('mel'), corpus_id(corpus)])}"
    folder.mkdir(parents=True, exist_ok=True)
    shards = range(first // SHARD, -(-(first + count) // SHARD))
    mels, labels = [], []
    for index in progress(shards, total=len(shards), description=f"clips ({SHARD} each)"):
        with np.load(_shard(index, front_end, folder), allow_pickle=False) as stored:
            mels.append(stored["mel"])
            labels.append(stored["labels"])
    return np.concatenate(mels)[:count], np.concatenate(labels)[:count]


def corpus_id(module: Any) -> str:
    """Hash of the code that composes a clip."""
    return canonical_hash(inspect.getsource(module))


def network(shape: tuple[int, int], sizes: dict[str, int]) -> keras.Model:
    """melnet's body, dropout, and one linear output [sum of sizes] that holds every label's scores."""
    import keras

    source = keras.Input(shape, name="mel")
    value = keras.layers.Dropout(0.2)(melnet.body(source)[0])
    return keras.Model(source, keras.layers.Dense(sum(sizes.values()), name="scores")(value), name="melnet_training")


def crop(mel: NDArray[np.float16], rows: NDArray[np.intp], rng: np.random.Generator, frames: int = FRAMES) -> NDArray[np.float32]:
    """Random stretches of `frames`, at a random level (a clip is seldom the loudest of its track), one masked band of mels."""
    starts = rng.integers(0, mel.shape[1] - frames + 1, len(rows))
    values = np.stack([mel[row, start : start + frames] for row, start in zip(rows, starts, strict=True)]).astype(np.float32)
    values -= rng.uniform(0, 20, (len(rows), 1, 1)).astype(np.float32)
    np.maximum(values, -80.0, out=values)
    for item, width in zip(values, rng.integers(0, 12, len(rows)), strict=True):
        low = int(rng.integers(0, item.shape[1] - width + 1))
        item[:, low : low + width] = item.mean()
    return values


def label_slices(sizes: dict[str, int]) -> dict[str, slice]:
    """Where each label's scores are."""
    ends = np.cumsum(list(sizes.values()))
    return {name: slice(int(end - size), int(end)) for (name, size), end in zip(sizes.items(), ends, strict=True)}


def make_step(model: keras.Model, optimizer: Any, sizes: dict[str, int]) -> Any:
    """A compiled step ``(mel, labels) -> loss``: mean over labels of cross-entropy relative to chance."""
    import tensorflow as tf

    optimizer.build(model.trainable_variables)
    places = list(label_slices(sizes).values())

    @tf.function(jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def step(mel: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            scores = model(mel, training=True)
            losses = [
                tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels[:, index], logits=scores[:, place]))
                / np.log(place.stop - place.start)
                for index, place in enumerate(places)
            ]
            loss = tf.add_n(losses) / len(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def accuracies(model: keras.Model, mel: NDArray[np.float16], labels: NDArray[np.int16], sizes: dict[str, int]) -> dict[str, float]:
    """Share right, by label, on the first 3 s of held-out clips."""
    scores = np.concatenate(
        [np.asarray(model(mel[start : start + 64, :FRAMES].astype(np.float32), training=False)) for start in range(0, len(mel), 64)]
    )
    places = label_slices(sizes)
    return {name: float((scores[:, place].argmax(1) == labels[:, i]).mean()) for i, (name, place) in enumerate(places.items())}


def train_melnet(plan: MelnetPlan, front_end: FrontEnd, *, work: Path, target: Path) -> dict[str, Any]:
    """Train, and write `melnet.npz` and `melnet.json` into `target`; the card.

    Parameters
    ----------
    work
        Work cache for clips and checkpoints.
    """
    with quiet_native():
        import keras
        import tensorflow as tf

    from musicgenre.models.training import seed_everything
    from musicgenre.synth import corpus

    sizes = dict(corpus.LABELS)
    held_first = 1 << 20  # far from the training seeds
    mel, labels = load_clips(0, plan.clips, front_end, work)
    held_mel, held_labels = load_clips(held_first, plan.held_out, front_end, work)
    seed_everything(plan.seed)
    model = network((FRAMES, mel.shape[2]), sizes)
    steps = -(-plan.clips // plan.batch)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(plan.rate, steps * plan.epochs))
    step = make_step(model, optimizer, sizes)
    identity = canonical_hash([asdict(plan), front_end.kind_id("mel"), corpus_id(corpus), melnet.WIDTHS])
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    manager = tf.train.CheckpointManager(checkpoint, str(work / f"training-{identity}"), max_to_keep=1, checkpoint_name="epoch")
    done = 0
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()
        done = int(manager.latest_checkpoint.rsplit("-", 1)[1])
    for epoch in range(done + 1, plan.epochs + 1):
        rng = np.random.default_rng([plan.seed, epoch])
        order = rng.permutation(plan.clips)
        losses = []
        batches = range(0, plan.clips, plan.batch)
        for start in progress(batches, total=len(batches), description=f"epoch {epoch}/{plan.epochs}"):
            rows = order[start : start + plan.batch]
            losses.append(float(step(tf.constant(crop(mel, rows, rng)), tf.constant(labels[rows].astype(np.int64)))))
        manager.save(checkpoint_number=epoch)
        print(f"epoch {epoch}: loss relative to chance {np.mean(losses):.4f}", flush=True)
    right = accuracies(model, held_mel, held_labels, sizes)
    return _write(model, plan, front_end, right, sizes, corpus_id(corpus), target)


def _write(
    model: keras.Model, plan: MelnetPlan, front_end: FrontEnd, right: dict[str, float], sizes: dict[str, int],
    clips_id: str, target: Path,
) -> dict[str, Any]:  # fmt: skip
    body = melnet.build((FRAMES, front_end.bands("mel")))
    for layer in body.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    target.mkdir(parents=True, exist_ok=True)
    with atomic_path(target / melnet.FILE) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **melnet.pack(body))
    fields = ("sample_rate", "n_fft", "hop_length", "window", "n_mels", "fmin", "fmax", "mel_scale", "top_db", "pre_emphasis")
    card = {
        "name": "melnet",
        "version": 2,
        "licence": "Apache-2.0",
        "sha256": file_sha256(target / melnet.FILE),
        "bytes": (target / melnet.FILE).stat().st_size,
        "parameters": int(body.count_params()),
        "embedding": melnet.EMBEDDING,
        "kind_id": front_end.kind_id("mel"),
        "mel": {name: getattr(front_end, name) for name in fields},
        "command": f"musicgenre backbone train melnet --clips {plan.clips} --epochs {plan.epochs} --seed {plan.seed}",
        "plan": asdict(plan),
        "corpus": (
            "Clips of 3.5 s composed and rendered by musicgenre.synth.corpus (CC0): random tempo, chord, instruments, drums and "
            "production, drawn independently; no genre, no recording, nothing of the demo set."
        ),
        "corpus_id": clips_id,
        "labels": sizes,
        "held_out_accuracy": {name: round(value, 4) for name, value in right.items()},
        "chance": {name: round(1 / size, 4) for name, size in sizes.items()},
    }
    write_json(target / melnet.CARD, card)
    return card


__all__ = ["MelnetPlan", "accuracies", "load_clips", "network", "train_melnet"]
