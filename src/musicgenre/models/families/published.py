"""Systems of the literature as points of the families' spaces.

What a description leaves open is written in `notes`. `house` points are our own
starts, so that a short search never begins from chance alone.
"""

from __future__ import annotations

from musicgenre.models.base import PublishedSystem

_SEVEN = "Mel spectrograms and hand-made features, seven AudioSet genres"

_TUTORIAL = {
    "squeeze": 1,
    "decay": "constant",
    "label_smoothing": 0.0,
    "masks": 0,
    "optimizer": "adam",
    "rate": 1e-4,
}

CNN = (
    PublishedSystem(
        name="house_cnn",
        title="Our own starting point: four small convolution blocks, SpecAugment, cosine rate",
        config={},
        source="this project",
        notes="Not published; the defaults of the family.",
    ),
    PublishedSystem(
        name="mfcc_cnn",
        title="MFCC CNN: ten segments a track, 13 coefficients, three convolution blocks",
        config={
            **_TUTORIAL,
            "kind": "mfcc",
            "bands": 13,
            "segment_s": 3.0,
            "hop_s": 3.0,
            "filters": (32, 32, 32),
            "kernels": (3, 3, 2),
            "pools": (3, 3, 2),
            "pool_padding": "same",
            "padding": "valid",
            "norm_last": True,
            "head": "flatten",
            "dense": 64,
            "dropout": 0.3,
            "batch": 32,
            "epochs": 30,
        },
        source="MFCC CNN tutorial on GTZAN (ten segments of 3 s, 130 × 13)",
        notes=(
            "A segment is 3 s, a tenth of a GTZAN clip; shorter tracks give fewer. The pools are 3 × 3, 3 × 3 and 2 × 2 with "
            "stride 2 and `same`, convolutions `valid`, as such networks are usually written. Standardised inputs (not described)."
        ),
    ),
    PublishedSystem(
        name="folder_cnn",
        title="Own-folder CNN: 100,000-sample mel segments, three convolutions and two max pools, RMSprop",
        config={
            **_TUTORIAL,
            "segment_s": 100_000 / 22_050,
            "hop_s": 100_000 / 22_050,
            "filters": (32, 64, 64),
            "kernels": (3, 3, 3),
            "pools": (2, 2, 1),
            "padding": "valid",
            "batch_norm": False,
            "head": "flatten",
            "dense": 64,
            "dropout": 0.0,
            "binary": True,
            "optimizer": "rmsprop",
            "rate": 1e-3,
            "batch": 32,
            "epochs": 10,
            "scaling": "unit",
        },
        source="Own folder of tracks in two moods (tutorial)",
        notes="Filter counts, dense units and the rate are not described: 32, 64, 64, then 64, and RMSprop's default 1e-3.",
    ),
    PublishedSystem(
        name="feed_forward",
        title="Feed-forward baseline: the mel spectrogram as a 216 × 216 image, unrolled, layers of 512 and 32",
        config={
            **_TUTORIAL,
            "segment_s": -1.0,
            "image": 216,
            "scaling": "unit",
            "blocks": 0,
            "head": "flatten",
            "units": (512, 32),
            "dropout": 0.0,
            "rate": 1e-5,
            "batch": 32,
            "epochs": 50,
        },
        source=_SEVEN,
        figures={"accuracy": 0.36, "f1": 0.27, "roc_auc": 0.720},
        notes=(
            "Optimiser, rate, epochs and batch not described: Adam, 1e-5 (at 1e-4 its units die, since every input is positive), 50, 32. "
            "Pre-emphasis of 0.97 belongs to the front end (`features.pre_emphasis`)."
        ),
    ),
    PublishedSystem(
        name="spectrogram_cnn",
        title="Spectrogram CNN: the track's mel spectrogram as a 256 × 256 image, Adam 1e-4",
        config={
            **_TUTORIAL,
            "segment_s": -1.0,
            "image": 256,
            "scaling": "unit",
            "filters": (16, 32, 64, 128),
            "kernels": (3, 3, 3, 3),
            "pools": (2, 2, 2, 2),
            "batch_norm": False,
            "head": "flatten",
            "dense": 128,
            "dropout": 0.5,
            "batch": 32,
            "epochs": 500,
            "patience": 25,
        },
        source="Spectrogram, MobileNet and multimodal classifiers on GTZAN, 60/40",
        notes="Layer counts and sizes are not described; 500 epochs end early after 25 without a better validation score.",
    ),
)

CLASSICAL = (
    PublishedSystem(
        name="descriptors_lr",
        title="Logistic regression on descriptors",
        config={"model": "lr", "source": "descriptors", "row": "track", "C": 1.0},
        source=_SEVEN,
        figures={"accuracy": 0.49, "f1": 0.44, "roc_auc": 0.809},
        notes="Penalty not described: scikit-learn's default.",
    ),
    PublishedSystem(
        name="descriptors_svm",
        title="SVM with an RBF kernel on descriptors",
        config={"model": "svm", "source": "descriptors", "row": "track", "C": 1.0, "gamma": 1.0},
        source=_SEVEN,
        figures={"accuracy": 0.50, "f1": 0.43, "roc_auc": 0.808},
        notes="Kernel not described: RBF, γ = 1 / columns after standardisation.",
    ),
    PublishedSystem(
        name="descriptors_rf",
        title="Random forest on descriptors",
        config={"model": "rf", "source": "descriptors", "row": "track", "trees": 500, "min_leaf": 1},
        source=_SEVEN,
        figures={"accuracy": 0.51, "f1": 0.44, "roc_auc": 0.829},
        notes="Number of trees not described: 500.",
    ),
    PublishedSystem(
        name="descriptors_xgb",
        title="XGBoost on descriptors",
        config={
            "model": "xgb",
            "source": "descriptors",
            "row": "track",
            "boosts": 100,
            "depth": 5,
            "rate": 0.1,
            "subsample": 0.8,
            "l2": 1.0,
        },
        source=_SEVEN,
        figures={"accuracy": 0.53, "f1": 0.48, "roc_auc": 0.850},
        notes="Depth, rate and rounds not described: 5, 0.1, 100.",
    ),
)

_IMAGES = "Images are those of the backbone (128 × 128, segments of `embed.segment_s`), not 216 × 216 of a whole clip."
_KERAS_HEAD = {"decay": "constant", "label_smoothing": 0.0, "l2": 0.0}
# The last four layers of VGG16 as Keras counts them: three convolutions and a pooling.
_SECOND_PHASE = {"unfreeze": 3, "second_rate": 1e-5, "second_epochs": 10}


def _vgg16_head(letter: str, units: tuple[int, ...], dropout: float) -> PublishedSystem:
    """One of the three heads: RMSprop for 50 epochs, then the last four layers at 1e-5."""
    words = ", ".join([*map(str, units), *([f"dropout {dropout}"] if dropout else [])])
    return PublishedSystem(
        name=f"vgg16_head_{letter}",
        title=f"VGG16, head ({words}), RMSprop, 50 epochs, then the last four layers at 1e-5",
        config={
            **_KERAS_HEAD,
            **_SECOND_PHASE,
            "backbone": "vgg16",
            "units": units,
            "dropout": dropout,
            "optimizer": "rmsprop",
            "rate": 1e-3,
            "epochs": 50,
        },
        source="VGG16 with three heads on GTZAN and an eleventh genre",
        figures={"accuracy": 0.926},
        needs=("vgg16",),
        notes=(
            "The published figure comes from sets that are re-drawn from a reshuffled stream at every pass; their shares are not "
            "described: 80/10/10. Images are those of the backbone (128 × 128), not 180 × 180. Dropout, where there is some, "
            "after each hidden layer."
        ),
    )


TRANSFER = (
    PublishedSystem(
        name="house_transfer",
        title="Our own starting point: one hidden layer on melnet",
        config={"backbone": "melnet"},
        source="this project",
        needs=("melnet",),
        notes="Not published; the defaults of the family.",
    ),
    PublishedSystem(
        name="mobilenet",
        title="MobileNet transfer: mel images, frozen MobileNetV2, Adam 1e-4",
        config={
            **_KERAS_HEAD,
            "backbone": "mobilenet_v2",
            "units": (128,),
            "dropout": 0.5,
            "optimizer": "adam",
            "rate": 1e-4,
            "batch": 32,
            "epochs": 500,
            "patience": 25,
        },
        source="Spectrogram, MobileNet and multimodal classifiers on GTZAN, 60/40",
        needs=("mobilenet_v2",),
        notes=(
            "The generation of MobileNet and the head are not described: V2, global average, 128 units, dropout 0.5. "
            "Segments of `embed.segment_s` instead of one image a track; 500 epochs end early."
        ),
    ),
    PublishedSystem(
        name="vgg16_frozen",
        title="VGG16 frozen, head 512 with dropout",
        config={**_KERAS_HEAD, "backbone": "vgg16", "units": (512,), "dropout": 0.5, "optimizer": "adam", "rate": 1e-3, "epochs": 50},
        source=_SEVEN,
        figures={"accuracy": 0.52, "f1": 0.48, "roc_auc": 0.832},
        needs=("vgg16",),
        notes="Optimiser, rate, epochs and batch not described: Adam 1e-3, 50 epochs, 64. " + _IMAGES,
    ),
    PublishedSystem(
        name="vgg16_tuned",
        title="VGG16 fine-tuned, head 512 with dropout",
        config={
            **_KERAS_HEAD,
            **_SECOND_PHASE,
            "backbone": "vgg16",
            "units": (512,),
            "dropout": 0.5,
            "optimizer": "adam",
            "rate": 1e-3,
            "epochs": 50,
        },
        source=_SEVEN,
        figures={"accuracy": 0.59, "f1": 0.55, "roc_auc": 0.866},
        needs=("vgg16",),
        notes=(
            "Which layers, rate and epochs of the second phase are not described: the last block's three convolutions, 1e-5, 10. " + _IMAGES
        ),
    ),
    _vgg16_head("a", (256,), 0.0),
    _vgg16_head("b", (256, 256), 0.2),
    _vgg16_head("c", (256, 128, 64, 32, 16), 0.2),
)

MULTIMODAL = (
    PublishedSystem(
        name="house_multimodal",
        title="Our own starting point: mel and scalogram branches, concatenated",
        config={},
        source="this project",
        notes="Not published; the defaults of the family.",
    ),
    PublishedSystem(
        name="late_fusion",
        title="Late fusion of spectrogram and wavelet images, 256 × 256, Adam 1e-4",
        config={
            "kinds": "mel+scalogram",
            "fusion": "concatenate",
            "segment_s": -1.0,
            "image": 256,
            "scaling": "unit",
            "filters": (16, 32, 64, 128),
            "batch_norm": False,
            "head": "flatten",
            "units": 128,
            "dropout": 0.5,
            "optimizer": "adam",
            "rate": 1e-4,
            "decay": "constant",
            "label_smoothing": 0.0,
            "masks": 0,
            "batch": 32,
            "epochs": 500,
            "patience": 25,
        },
        source="Spectrogram, MobileNet and multimodal classifiers on GTZAN, 60/40",
        figures={"f1": 0.38},
        needs=("mel", "scalogram"),
        notes="Branch layers are not described: those of the spectrogram CNN. 500 epochs end early.",
    ),
)

ENSEMBLE = (
    PublishedSystem(
        name="vgg16_xgb",
        title="VGG16 and XGBoost on descriptors, probabilities averaged",
        config={},
        source=_SEVEN,
        figures={"accuracy": 0.61, "f1": 0.56, "roc_auc": 0.874},
        members=("vgg16_tuned", "descriptors_xgb"),
        notes="Equal weights; the fine-tuned VGG16. The area is 0.874 in the report and 0.864 in its summary.",
    ),
)

__all__ = ["CLASSICAL", "CNN", "ENSEMBLE", "MULTIMODAL", "TRANSFER"]
