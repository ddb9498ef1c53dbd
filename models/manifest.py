"""The bundle's manifest (docs/bundle.md): what is in a bundle, by name, shape and hash.

`write` adds sizes and hashes and writes manifest.json; `read` reads it and checks the whole folder. A fault is a
BundleError that names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.strict_json import StrictJsonError, decode, encode

FORMAT = "likeness-bundle"
FORMAT_VERSION = 2
FILE_NAME = "manifest.json"
PACKAGE_SUFFIX = ".mlpackage"
BACKENDS = ("executorch-xnnpack", "coreml")
TRAIN_PRECISIONS = ("float32", "float16")
DTYPES = ("float32", "int64")
PREDICTION_TYPES = ("epsilon", "v_prediction")
PLAIN_METHODS = ("encode_image", "decode_latents", "encode_text", "encode_text_vjp")
STAGED_METHODS = ("denoise", "train_step")


class BundleError(ValueError):
    """The bundle is damaged or is not one; the message names the file or the field."""


@dataclass
class Model:
    name: str
    weights_sha256: str


@dataclass
class Image:
    size: int
    vae_scale_factor: int
    latent_channels: int
    latent_size: int
    scaling_factor: float


@dataclass
class Text:
    max_length: int
    hidden_size: int
    vocab_size: int
    bos_id: int
    eos_id: int
    pad_id: int
    max_modifier_tokens: int
    vocab: str
    merges: str
    token_embeddings: str


@dataclass
class Noise:
    prediction_type: str
    betas: list[float]


@dataclass
class Batch:
    text: int
    train: int
    denoise: int
    image: int


@dataclass
class Layer:
    name: str
    channels: int


@dataclass
class TensorSpec:
    shape: list[int]
    dtype: str


@dataclass
class Program:
    """A function of a program; `program` is a file, or a folder `*.mlpackage` under which files lie."""

    program: str
    function: str
    inputs: list[str]
    outputs: list[str]


@dataclass
class Stage:
    name: str
    forward: Program | None
    backward: Program | None


@dataclass
class Method:
    stages: list[Stage]


@dataclass
class AdapterTensor:
    name: str
    shape: list[int]


@dataclass
class Adapter:
    project_kv: str
    project_kv_vjp: str
    rank: int | None
    initial: str
    tensors: list[AdapterTensor]


@dataclass
class PriorClass:
    latents: list[int]
    captions: list[str]


@dataclass
class Prior:
    file: str
    source: str
    classes: dict[str, PriorClass]


@dataclass
class Recommended:
    training: dict[str, Any]
    sampling: dict[str, Any]


@dataclass
class FileEntry:
    size: int
    sha256: str


@dataclass
class Manifest:
    """The whole of manifest.json; the fields' order is the file's."""

    model: Model
    backend: str
    train_precision: str
    image: Image
    text: Text
    noise: Noise
    batch: Batch
    layers: list[Layer]
    tensors: dict[str, TensorSpec]
    methods: dict[str, Method]
    adapters: dict[str, Adapter]
    prior: Prior
    recommended: Recommended
    files: dict[str, FileEntry] = field(default_factory=dict)


def program_files(manifest: Manifest, path: str) -> list[str]:
    """Listed files that the program at `path` is made of: itself, or those under it where it is a package."""
    if path in manifest.files:
        return [path]
    return [name for name in manifest.files if path.endswith(PACKAGE_SUFFIX) and name.startswith(f"{path}/")]


def to_json(manifest: Manifest) -> str:
    """The manifest's text; equal manifests give equal text."""
    whole = {"format": FORMAT, "format_version": FORMAT_VERSION, **encode(manifest)}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Manifest:
    """Parse and check everything that can be checked without the other files."""
    try:
        whole = json.loads(text, object_pairs_hook=_no_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"{FILE_NAME} is not JSON: {error}") from error
    if not isinstance(whole, dict) or whole.pop("format", None) != FORMAT:
        raise BundleError(f'{FILE_NAME}: "format" is not "{FORMAT}"')
    version = whole.pop("format_version", None)
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise BundleError(f"{FILE_NAME}: format_version {version!r}; this code reads {FORMAT_VERSION}")
    try:
        manifest = decode(Manifest, whole)
    except StrictJsonError as error:
        raise BundleError(f"{FILE_NAME}: {error}") from error
    check(manifest)
    return manifest


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in pairs:
        if key in out:
            raise BundleError(f"{FILE_NAME}: {key!r} occurs twice in one object")
        out[key] = value
    return out


def check_path(path: str) -> None:
    """Raise BundleError unless `path` is relative, with `/`, and stays inside the bundle."""
    parts = path.split("/")
    if (
        not path
        or any(part in ("", ".", "..") for part in parts)
        or re.match(r"^[A-Za-z]:", path)
        or any(c == "\\" or ord(c) < 32 or ord(c) == 127 for c in path)
    ):
        raise BundleError(f"{FILE_NAME}: path {path!r} is not a plain relative path inside the bundle")
    if path.casefold() == FILE_NAME:
        raise BundleError(f"{FILE_NAME}: lists itself")


def check(manifest: Manifest) -> None:
    """Raise BundleError unless the manifest agrees with itself: sizes, names, programs, paths."""
    from models.manifest_checks import check_consistency

    check_consistency(manifest)


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path) -> dict[str, Path]:
    """Every file under `folder` but the manifest, by its path in the bundle; a link is an error."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise BundleError(f"{name} is a symbolic link")
        if path.is_file() and name != FILE_NAME:
            found[name] = path
    return found


def write(folder: Path, manifest: Manifest) -> None:
    """Fill in `files` from what lies in `folder`, check, and write manifest.json."""
    manifest.files = {name: FileEntry(path.stat().st_size, sha256_of(path)) for name, path in files_in(folder).items()}
    check(manifest)
    (folder / FILE_NAME).write_text(to_json(manifest), encoding="utf-8")


def read(folder: Path, verify_files: bool = True) -> Manifest:
    """The manifest of the bundle in `folder`; with `verify_files`, every file's presence, size and hash too."""
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{FILE_NAME} is not UTF-8") from error
    manifest = from_json(text)
    if verify_files:
        verify(folder, manifest)
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise BundleError that names the first file missing, of another size or hash, or not listed."""
    found = files_in(folder)
    for name, entry in manifest.files.items():
        if name not in found:
            raise BundleError(f"{name} is missing")
        size = found[name].stat().st_size
        if size != entry.size:
            raise BundleError(f"{name} has {size} bytes, not {entry.size}")
    for name in found:
        if name not in manifest.files:
            raise BundleError(f"{name} is not listed in {FILE_NAME}")
    for name, entry in manifest.files.items():
        if sha256_of(found[name]) != entry.sha256:
            raise BundleError(f"{name} is damaged: its SHA-256 is not the manifest's")
