"""The manifest: round trip, and every kind of damage is an error that names it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import manifest as mf
from models.manifest_checks import expected_shapes
from models.strict_json import StrictJsonError, decode, encode

LAYERS = [mf.Layer("down_blocks.0.attn2", 8), mf.Layer("up_blocks.1.attn2", 16)]


def make_manifest(**changes: Any) -> mf.Manifest:
    """A whole and consistent manifest of a model with two layers; its programs are one byte each."""
    adapter = mf.Adapter(
        "project_kv.full",
        "project_kv_vjp.full",
        None,
        "adapters/full.safetensors",
        [
            mf.AdapterTensor(f"{layer.name}.{which}.weight", [layer.channels, 12])
            for layer in LAYERS
            for which in ("to_k", "to_v")
        ],
    )
    text = mf.Text(7, 12, 50, 48, 49, 49, 2, "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/e.safetensors")
    values: dict[str, Any] = {
        "model": mf.Model("räven", "0" * 64),
        "backend": "executorch-xnnpack",
        "train_precision": "float32",
        "image": mf.Image(32, 8, 4, 4, 0.18215),
        "text": text,
        "noise": mf.Noise("epsilon", [0.1, 0.2]),
        "batch": mf.Batch(3, 2, 2, 1),
        "layers": LAYERS,
        "tensors": {},
        "methods": {},
        "adapters": {"full": adapter},
        "prior": mf.Prior("prior/prior.safetensors", "", {"dog": mf.PriorClass([0, 2], ["a dog", "the dog"])}),
        "recommended": mf.Recommended({"steps": 3}, {}),
        **changes,
    }
    manifest = mf.Manifest(**values)
    for method, (inputs, outputs) in expected_shapes(manifest).items():
        names: list[list[str]] = [[], []]
        for side, shapes in zip(names, (inputs, outputs), strict=True):
            for shape in shapes:
                dtype = "int64" if method.startswith("encode_text") and shape == inputs[0] else "float32"
                name = f"{method}.{'in' if side is names[0] else 'out'}{len(side)}"
                manifest.tensors[name] = mf.TensorSpec(list(shape), dtype)
                side.append(name)
        program = mf.Program(f"methods/{method}.pte", "forward", *names)
        last = method == "train_step"
        stage = mf.Stage("all", None if last else program, program if last else None)
        manifest.methods[method] = mf.Method([stage])
    for path in named_files(manifest):
        manifest.files[path] = mf.FileEntry(1, "0" * 64)
    return manifest


def named_files(manifest: mf.Manifest) -> list[str]:
    programs = [
        program.program
        for method in manifest.methods.values()
        for stage in method.stages
        for program in (stage.forward, stage.backward)
        if program is not None
    ]
    text = manifest.text
    initial = [adapter.initial for adapter in manifest.adapters.values()]
    return [*programs, text.vocab, text.merges, text.token_embeddings, manifest.prior.file, *initial]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    manifest = make_manifest()
    for name in named_files(manifest):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    mf.write(tmp_path, manifest)
    return tmp_path


def test_write_then_read(bundle: Path) -> None:
    manifest = mf.read(bundle)
    assert mf.from_json(mf.to_json(manifest)) == manifest
    assert set(manifest.files) == set(named_files(manifest))
    whole = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert whole["format"] == "likeness-bundle"
    assert whole["format_version"] == 2


def test_a_package_is_the_files_under_it() -> None:
    """And no other: neither a file whose name goes on where the package's ends, nor a folder of another kind."""
    manifest = make_manifest(backend="coreml", train_precision="float16")
    entry = manifest.files.pop("methods/denoise.pte")
    for name in ("Manifest.json", "Data/weights.bin"):
        manifest.files[f"methods/unet.mlpackage/{name}"] = entry
    manifest.files["methods/unet.mlpackage.txt"] = entry
    for method, direction in (("denoise", "forward"), ("train_step", "backward")):
        program = getattr(manifest.methods[method].stages[0], direction)
        program.program, program.function = "methods/unet.mlpackage", method
    assert mf.from_json(mf.to_json(manifest)) == manifest
    assert mf.program_files(manifest, "methods/unet.mlpackage") == [
        "methods/unet.mlpackage/Manifest.json",
        "methods/unet.mlpackage/Data/weights.bin",
    ]
    assert mf.program_files(manifest, "methods/encode_text.pte") == ["methods/encode_text.pte"]
    assert not mf.program_files(manifest, "methods")


finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(max_size=8)
json_values = st.recursive(st.none() | st.booleans() | st.integers() | finite | text, st.lists, max_leaves=4)


@settings(max_examples=60, deadline=None)
@given(
    name=text,
    betas=st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=6),
    captions=st.dictionaries(text, st.lists(text, min_size=1, max_size=3), max_size=3),
    training=st.dictionaries(text, json_values, max_size=3),
    scaling=st.floats(1e-6, 1e6),
    prediction=st.sampled_from(mf.PREDICTION_TYPES),
)
def test_round_trip(
    name: str,
    betas: list[float],
    captions: dict[str, list[str]],
    training: dict[str, Any],
    scaling: float,
    prediction: str,
) -> None:
    classes = {key: mf.PriorClass(list(range(len(value))), value) for key, value in captions.items()}
    manifest = make_manifest(
        model=mf.Model(name, "a" * 64),
        noise=mf.Noise(prediction, betas),
        prior=mf.Prior("prior/prior.safetensors", name, classes),
        recommended=mf.Recommended(training, {}),
        image=mf.Image(32, 8, 4, 4, scaling),
    )
    assert mf.from_json(mf.to_json(manifest)) == manifest


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_field_replaced_by_anything_never_crashes(data: st.DataObject) -> None:
    """A parser of a file from outside: whatever stands there, the result is a manifest or a BundleError."""
    whole = json.loads(mf.to_json(make_manifest()))
    place: Any = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and data.draw(st.booleans()):
            place = inner
            continue
        break
    if data.draw(st.booleans()) and isinstance(place, dict):
        del place[key]
    else:
        place[key] = data.draw(json_values | st.dictionaries(text, json_values, max_size=2))
    try:
        mf.from_json(json.dumps(whole))
    except mf.BundleError as error:
        assert "manifest.json" in str(error)


@pytest.mark.parametrize("damaged", ["", "null", "[]", "{", '"likeness-bundle"', "[" * 100_000, '{"a":1,"a":2}'])
def test_not_a_manifest(damaged: str) -> None:
    with pytest.raises(mf.BundleError, match="manifest.json"):
        mf.from_json(damaged)


@pytest.mark.parametrize("version", [0, 1, 3, "2", None, True, 2.5])
def test_other_versions_are_refused(version: object) -> None:
    whole = json.loads(mf.to_json(make_manifest()))
    whole["format_version"] = version
    with pytest.raises(mf.BundleError, match="format_version"):
        mf.from_json(json.dumps(whole))


def test_missing_file(bundle: Path) -> None:
    (bundle / "methods/denoise.pte").unlink()
    with pytest.raises(mf.BundleError, match=r"methods/denoise\.pte is missing"):
        mf.read(bundle)


def test_extra_file(bundle: Path) -> None:
    (bundle / "methods/other.pte").write_bytes(b"")
    with pytest.raises(mf.BundleError, match=r"methods/other\.pte is not listed"):
        mf.read(bundle)


def test_truncated_file(bundle: Path) -> None:
    os.truncate(bundle / "tokenizer/vocab.json", 3)
    with pytest.raises(mf.BundleError, match=r"tokenizer/vocab\.json has 3 bytes"):
        mf.read(bundle)


def test_changed_byte(bundle: Path) -> None:
    path = bundle / "adapters/full.safetensors"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(mf.BundleError, match=r"adapters/full\.safetensors is damaged"):
        mf.read(bundle)
    mf.read(bundle, verify_files=False)


def test_symbolic_link(bundle: Path) -> None:
    path = bundle / "tokenizer/merges.txt"
    path.rename(bundle.parent / "elsewhere")
    path.symlink_to(bundle.parent / "elsewhere")
    with pytest.raises(mf.BundleError, match="symbolic link"):
        mf.read(bundle)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(mf.BundleError, match="No such file"):
        mf.read(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "a/../b",
        "a\\b",
        "C:/x",
        "c:x",
        "",
        "a//b",
        "./a",
        "a/.",
        "a/",
        "a\nb",
        "a\0b",
        "manifest.json",
    ],
)
def test_paths_that_leave_the_bundle(path: str) -> None:
    manifest = make_manifest()
    manifest.files[path] = mf.FileEntry(1, "0" * 64)
    with pytest.raises(mf.BundleError, match="manifest.json"):
        mf.check(manifest)


def forward_of(whole: dict[str, Any]) -> dict[str, Any]:
    """The program of `denoise`."""
    forward: dict[str, Any] = whole["methods"]["denoise"]["stages"][0]["forward"]
    return forward


Damage = Callable[[dict[str, Any]], object]
DAMAGE: dict[str, tuple[Damage, str]] = {
    "unknown field": (lambda m: m["image"].update(depth=3), "image.depth: unknown field"),
    "missing field": (lambda m: m["text"].pop("pad_id"), "text.pad_id: is missing"),
    "number as text": (
        lambda m: m["layers"][1].update(channels="16"),
        r"layers\[1\].channels: expected a whole number",
    ),
    "float for int": (lambda m: m["batch"].update(train=2.0), "batch.train: expected a whole number"),
    "bool for int": (lambda m: m["batch"].update(train=True), "batch.train: expected a whole number"),
    "nan": (lambda m: m["noise"]["betas"].append(float("nan")), r"noise.betas\[2\]: expected a finite number"),
    "beta out of range": (lambda m: m["noise"]["betas"].append(1.0), "noise.betas"),
    "prediction type": (lambda m: m["noise"].update(prediction_type="sample"), "prediction_type"),
    "zero batch": (lambda m: m["batch"].update(train=0), "batch"),
    "image size": (lambda m: m["image"].update(size=33), "image.size"),
    "token id": (lambda m: m["text"].update(eos_id=50), "text.eos_id"),
    "short hash": (lambda m: m["model"].update(weights_sha256="ab"), "weights_sha256"),
    "repeated layer": (lambda m: m["layers"].append(m["layers"][0]), "layers: a name occurs twice"),
    "no layers": (lambda m: m["layers"].clear(), "layers is empty"),
    "missing method": (lambda m: m["methods"].pop("denoise"), "'denoise' is missing"),
    "method of adapter": (lambda m: m["methods"].pop("project_kv.full"), r"'project_kv\.full' is missing"),
    "no stages": (lambda m: m["methods"]["denoise"]["stages"].clear(), "denoise has no stages"),
    "stages where none may be": (
        lambda m: m["methods"]["encode_text"]["stages"].append(m["methods"]["encode_text"]["stages"][0]),
        "encode_text has more than one stage",
    ),
    "train_step without backward": (
        lambda m: m["methods"]["train_step"]["stages"][0].update(backward=None),
        r"train_step.stages\[0\] has no backward",
    ),
    "unknown tensor": (
        lambda m: m["methods"]["denoise"]["stages"][0]["forward"]["inputs"].append("ghost"),
        "tensor 'ghost' is not in tensors",
    ),
    "missing input": (
        lambda m: m["methods"]["denoise"]["stages"][0]["forward"]["inputs"].pop(),
        "denoise has 5 inputs, not 6",
    ),
    "shape": (lambda m: m["tensors"]["denoise.in2"].update(shape=[2, 7, 9]), r"denoise.in2 is float32 \[2, 7, 9\]"),
    "dtype": (lambda m: m["tensors"]["denoise.in2"].update(dtype="float16"), "dtype 'float16'"),
    "negative size": (lambda m: m["tensors"]["denoise.in2"].update(shape=[2, -7, 8]), "not positive"),
    "huge shape": (lambda m: m["tensors"]["denoise.in2"].update(shape=[2**40, 2**40]), "impossibly large"),
    "back end": (lambda m: m.update(backend="other"), "backend 'other' is none of executorch-xnnpack, coreml"),
    "train precision": (lambda m: m.update(train_precision="bfloat16"), "train_precision 'bfloat16' is none of"),
    "function": (lambda m: forward_of(m).update(function="f-1"), "function 'f-1' is not a name"),
    "program outside": (lambda m: forward_of(m).update(program="../denoise.pte"), "not a plain relative path"),
    "folder that is no package": (lambda m: forward_of(m).update(program="methods"), "methods is not in files"),
    "package without files": (lambda m: forward_of(m).update(program="methods/a.mlpackage"), "is not in files"),
    "program not listed": (lambda m: m["files"].pop("methods/denoise.pte"), r"methods/denoise\.pte is not in files"),
    "named file not listed": (lambda m: m["files"].pop("tokenizer/vocab.json"), r"vocab\.json is named"),
    "captions": (lambda m: m["prior"]["classes"]["dog"]["captions"].pop(), "2 latents but 1 captions"),
    "adapter tensor twice": (
        lambda m: m["adapters"]["full"]["tensors"][1].update(name=m["adapters"]["full"]["tensors"][0]["name"]),
        "occurs twice",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_damage_is_named(damage: str) -> None:
    change, message = DAMAGE[damage]
    whole = json.loads(mf.to_json(make_manifest()))
    change(whole)
    with pytest.raises(mf.BundleError, match=message):
        mf.from_json(json.dumps(whole))


def test_strict_json_names_the_place() -> None:
    with pytest.raises(StrictJsonError, match="the file: expected an object"):
        decode(mf.Model, [])
    assert encode(decode(mf.Layer, {"name": "a", "channels": 3})) == {"name": "a", "channels": 3}
