"""Writing and reading a bundle's folder.

`bundle.json` names every other file with its SHA-256 and closes with a `seal`,
the digest of its own content; the seal is the model's identity everywhere
(registry, service, prediction log). The text must be byte for byte the one
that its content serialises to, so a change of any byte in any file is found.
A seal is a checksum, not a signature: it finds damage and careless edits, and
the registry, which keeps the seal elsewhere, finds a bundle sealed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from musicgenre.atomic import atomic_directory
from musicgenre.bundle.spec import BundleSpec, MemberSpec
from musicgenre.errors import BundleError, TamperedBundle

MANIFEST = "bundle.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*\.onnx")  # a plain file name: no separator, no leading dot
_MAX_MANIFEST = 4_000_000  # bytes; a larger description is not one of ours


class _HasDict(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


def _serialise(spec: BundleSpec) -> bytes:
    content = {**spec.to_dict(), "seal": spec.digest}
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _mapping(value: Mapping[str, Any] | _HasDict) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else value.to_dict()


def write_bundle(
    directory: Path,
    *,
    classes: Sequence[str],
    front_end: Mapping[str, Any] | _HasDict,
    members: Sequence[tuple[MemberSpec, Path]],
    temperature: float = 1.0,
    lineage: Mapping[str, Any] | _HasDict | None = None,
    reference: Mapping[str, Any] | None = None,
    golden: bool = True,
) -> BundleSpec:
    """Write a bundle whole, replacing `directory`.

    Parameters
    ----------
    classes
        Genres in the order of the graphs' outputs.
    front_end
        A `FrontEnd` or its `to_dict()`.
    members
        Each graph's spec and the folder that holds `spec.file`. Files of equal name from
        different folders are told apart by the member's name.
    temperature
        Divides the logarithm of the mixed probabilities; > 0.
    lineage, reference
        See `BundleSpec`; `reference` comes from `bundle.reference.build_reference`.
    golden
        Record what the bundle answers for the golden clip (needs the front end). Only tests
        of graphs without a front end switch it off.

    Raises
    ------
    BundleError
        If there is no member, two share a name, a file is not there or ONNX Runtime refuses it.
    FeatureError
        If a member reads a feature kind that a service cannot compute (`features.kinds.check_servable`).
    """
    from musicgenre.features.kinds import check_servable  # loads every kind's code; readers do not need it

    if not members:
        raise BundleError(f"{directory}: a bundle needs at least one member.")
    if not (temperature > 0):
        raise BundleError(f"{directory}: temperature is {temperature!r}; it must be above 0.")
    names = [member.name for member, _ in members]
    if len(set(names)) != len(names):
        raise BundleError(f"{directory}: two members share a name ({', '.join(names)}).")
    check_servable(sorted({item.kind for member, _ in members for item in member.inputs}))
    with atomic_directory(Path(directory)) as temporary:
        specs, digests = [], {}
        for member, folder in members:
            source = Path(folder) / member.file
            if not source.is_file():
                raise BundleError(f"member {member.name!r}: {source} is not there.")
            target = member.file if member.file not in digests else f"{member.name}-{member.file}"
            if target in digests or not _NAME.fullmatch(target):
                raise BundleError(f"member {member.name!r}: {target!r} cannot be a bundle's file; use a plain, unique <name>.onnx.")
            shutil.copyfile(source, temporary / target)
            digests[target] = hashlib.sha256((temporary / target).read_bytes()).hexdigest()
            specs.append(replace(member, file=target))
        spec = BundleSpec(
            classes=tuple(classes),
            front_end=_mapping(front_end),
            members=tuple(specs),
            temperature=float(temperature),
            lineage=_mapping(lineage) if lineage is not None else {},
            digests=digests,
            reference=dict(reference or {}),
            created=_now(),
        )
        if golden:
            from musicgenre.bundle.golden import record
            from musicgenre.bundle.predictor import Predictor

            files = {name: (temporary / name).read_bytes() for name in digests}
            spec = replace(spec, golden=record(Predictor(spec, files)))
        # Through JSON once, so that what is returned is what a reader will get.
        text = _serialise(spec)
        (temporary / MANIFEST).write_bytes(text)
        return _parse(text, Path(directory) / MANIFEST)


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(text: bytes, path: Path) -> BundleSpec:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise TamperedBundle(f"{path} is not JSON: {error}. Restore the bundle from the registry or `dvc checkout`.") from error
    if not isinstance(content, dict):
        raise TamperedBundle(f"{path} holds {type(content).__name__}, not a bundle's description.")
    seal = content.pop("seal", None)
    spec = BundleSpec.from_dict(content)
    if seal != spec.digest or _serialise(spec) != text:
        raise TamperedBundle(f"{path} was changed after it was sealed. Restore the bundle from the registry or `dvc checkout`.")
    return spec


def read_bundle(directory: Path) -> tuple[BundleSpec, dict[str, bytes]]:
    """The description and the bytes of every other file, checked; what is returned is what was checked.

    Raises
    ------
    BundleError
        If there is no bundle, or its schema is another one.
    TamperedBundle
        If a file is missing, is not listed, differs from its digest, or has a name that leaves the folder.
    """
    directory = Path(directory)
    path = directory / MANIFEST
    if not path.is_file():
        raise BundleError(f"{directory} is not a bundle: {MANIFEST} is not there. `musicgenre promote` writes models/champion.")
    if path.stat().st_size > _MAX_MANIFEST:
        raise TamperedBundle(f"{path} has {path.stat().st_size} bytes; a bundle's description has at most {_MAX_MANIFEST}.")
    spec = _parse(path.read_bytes(), path)
    wanted = {member.file for member in spec.members}
    if bad := sorted(name for name in wanted | set(spec.digests) if not _NAME.fullmatch(name)):
        raise TamperedBundle(f"{path} names {bad[0]!r}; only plain <name>.onnx files in the bundle's own folder are read.")
    if unpinned := sorted(wanted ^ set(spec.digests)):
        raise TamperedBundle(f"{path}: {unpinned[0]!r} is not both a member's file and a pinned one.")
    present = {entry.name for entry in directory.iterdir()}
    if extra := sorted(present - set(spec.digests) - {MANIFEST}):
        raise TamperedBundle(f"{directory / extra[0]} does not belong to the bundle. Remove it, or restore the bundle.")
    files = {}
    for name, digest in spec.digests.items():
        file = directory / name
        if not file.is_file():
            raise TamperedBundle(f"{file} is missing. Restore the bundle from the registry or `dvc checkout`.")
        data = file.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise TamperedBundle(f"{file} has SHA-256 {found[:12]}…, recorded is {digest[:12]}…. Restore the bundle, never load it.")
        files[name] = data
    return spec, files


def load_bundle(directory: Path) -> BundleSpec:
    """The bundle's description after every digest has been checked (raises as `read_bundle` does)."""
    return read_bundle(directory)[0]


def bundle_bytes(directory: Path) -> int:
    """Size of the bundle on disk, in bytes."""
    return sum(entry.stat().st_size for entry in Path(directory).iterdir())


__all__ = ["MANIFEST", "bundle_bytes", "load_bundle", "read_bundle", "write_bundle"]
