"""Bundles that are damaged, foreign or hostile: each is refused with a message that says what is wrong."""

from __future__ import annotations

import copy
import ctypes
import functools
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from device_runtime import CorruptError, Engine, LikenessError, UnsupportedVersionError
from models import manifest as mf
from tests.runtime_helpers import copy_bundle

CORRUPT = 3
DENOISE = "methods/denoise/stages/0/forward"


def open_error(folder: Path, **options: object) -> LikenessError:
    with pytest.raises(LikenessError) as caught:
        Engine(folder, **options).close()
    return caught.value


def test_the_bundle_opens(tiny_bundle, tmp_path):
    with Engine(tiny_bundle.bundle, cache_folder=tmp_path) as engine:
        assert engine.image_size == 32
    assert not any(tmp_path.iterdir())  # ExecuTorch compiles nothing


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "not a bundle"),
        ("format", None, "not a bundle"),
        ("format_version", 3, "update the app"),
        ("format_version", 1, "export the bundle again"),
        ("backend", "other", "none of executorch-xnnpack, coreml"),
        ("train_precision", "bfloat16", "none of float32, float16"),
        (f"{DENOISE}/program", "../denoise.pte", "plain path"),
        (f"{DENOISE}/program", "methods", "lacks"),
        (f"{DENOISE}/program", "methods/denoise.mlpackage", "lacks"),
        (f"{DENOISE}/function", "for ward", "not a name"),
        (f"{DENOISE}/function", "", "not a name"),
        ("batch/train", None, r"batch\.train is missing"),
        ("batch/train", -1, "not between"),
        ("batch/train", 2**70, "whole number|not between"),
        ("batch/train", 1.5, "whole number"),
        ("batch/train", True, "whole number"),
        ("batch/train", 3, "train_step"),
        ("image/size", 33, "fit together"),
        ("image/scaling_factor", 0, "above 0"),
        ("image/latent_channels", 1 << 30, "not between"),
        ("text/vocab", "../secrets", "plain path"),
        ("text/vocab", "/etc/passwd", "plain path"),
        ("text/vocab", "tokenizer\\vocab.json", "plain path"),
        ("text/vocab", "tokenizer/other.json", "lacks"),
        ("text/vocab_size", 701, "has 700 tokens"),
        ("text/eos_id", 700, "not between"),
        ("text/max_modifier_tokens", 3, "modifier_embeddings is F32"),
        ("noise/betas", [], "0 entries"),
        ("noise/betas", [2.0], "Beta 0"),
        ("noise/prediction_type", "other", "other"),
        ("layers", [], "is empty"),
        ("methods/denoise", None, '"denoise" is missing'),
        ("methods/denoise/stages", [], "is empty"),
        ("methods/train_step/stages", [{"name": "x", "forward": None, "backward": None}], "no program"),
        ("tensors/hidden", None, 'unknown tensor "hidden"'),
        ("tensors/hidden/shape", [4, 24, 33], "hidden"),
        ("tensors/hidden/shape", [1 << 20, 1 << 20, 1 << 20], "impossibly large"),
        ("tensors/hidden/dtype", "float16", "float32 or int64"),
        ("tensors/token_ids/dtype", "float32", "token_ids"),
        ("adapters", {}, "empty"),
        ("adapters/full/tensors", [], "empty"),
        ("prior/classes/dog", {"latents": [100000], "captions": ["a dog"]}, "100000"),
        ("prior/classes/dog/captions", [], "as many captions"),
        ("model/weights_sha256", "xyz", "hexadecimal"),
        ("recommended/training", {"steps": "many"}, r"recommended\.training\.steps is not a whole number"),
        ("files/nothing.bin", {"size": 1, "sha256": "0" * 64}, "lacks its file nothing.bin"),
    ],
)
def test_wrong_manifests(tiny_bundle, tmp_path, key, value, message):
    error = open_error(copy_bundle(tiny_bundle.bundle, tmp_path / "b", **{key: value}))
    assert re.search(message, str(error)), str(error)


def test_wrong_version_has_its_own_status(tiny_bundle, tmp_path):
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b", format_version=1)
    assert isinstance(open_error(folder), UnsupportedVersionError)


def test_a_back_end_this_build_lacks(tiny_bundle, tmp_path):
    """Core ML is Apple's alone; the manifest is a good one."""
    error = open_error(copy_bundle(tiny_bundle.bundle, tmp_path / "b", backend="coreml"))
    assert isinstance(error, UnsupportedVersionError)
    assert 'back end "coreml", which this app does not have' in str(error)


def test_a_function_that_the_program_lacks(tiny_bundle, tmp_path):
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b", **{f"{DENOISE}/function": "backward"})
    with Engine(folder) as engine, pytest.raises(CorruptError, match=r'"backward" in the program methods/denoise\.pte'):
        engine.generate("a dog", steps=1)


@pytest.mark.parametrize("name", ["methods/train_step.pte", "tokenizer/vocab.json", "prior/prior.safetensors"])
def test_damaged_files_are_named(tiny_bundle, tmp_path, name):
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b")
    path = folder / name
    whole = path.read_bytes()

    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(flipped)
    error = open_error(folder)
    assert isinstance(error, CorruptError)
    assert name in str(error) and "SHA-256" in str(error)

    path.write_bytes(whole[:-1])
    assert name in str(open_error(folder)) and "bytes instead of" in str(open_error(folder))
    path.unlink()
    assert f"lacks its file {name}" in str(open_error(folder))


def test_files_that_are_not_listed(tiny_bundle, tmp_path):
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b")
    (folder / "methods" / "extra.pte").write_bytes(b"x")
    assert "methods/extra.pte" in str(open_error(folder))
    (folder / "methods" / "extra.pte").unlink()
    (folder / "tokenizer" / "link").symlink_to("/etc/passwd")
    assert "symbolic link" in str(open_error(folder))


def test_no_bundle_at_all(tmp_path):
    assert "manifest.json" in str(open_error(tmp_path))
    (tmp_path / "manifest.json").write_text("{")
    assert "not JSON" in str(open_error(tmp_path))
    (tmp_path / "manifest.json").write_text("[" * 100000)
    assert "nested too deeply" in str(open_error(tmp_path))
    (tmp_path / "manifest.json").write_text('{"format": 1, "format": 2}')
    assert "twice" in str(open_error(tmp_path))


@pytest.mark.parametrize("damage", ["zeros", "cut", "noise"])
def test_programs_that_only_look_right_do_not_crash(tiny_bundle, tmp_path, damage):
    """With hashing off a damaged program is the runtime's to refuse; whatever happens is an error, not a crash."""
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b")
    path = folder / "methods" / "encode_text.pte"
    content = bytearray(path.read_bytes())
    size = len(content)
    if damage == "zeros":
        content[: size // 2] = bytes(size // 2)
    elif damage == "cut":
        content[size // 4 :] = bytes(size - size // 4)
    else:
        content[8:200] = os.urandom(192)
    path.write_bytes(content)
    with Engine(folder, verify_hashes=False) as engine, pytest.raises(CorruptError, match=r"encode_text\.pte"):
        engine.generate("a dog", steps=1)


def test_a_program_of_another_shape_is_refused(tiny_bundle, tmp_path):
    """Two programs exchanged: each loads, neither is what the manifest says."""
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b")
    a, b = folder / "methods" / "encode_text.pte", folder / "methods" / "decode_latents.pte"
    content = a.read_bytes(), b.read_bytes()
    a.write_bytes(content[1])
    b.write_bytes(content[0])
    manifest = json.loads((folder / "manifest.json").read_text())
    files = manifest["files"]
    names = ("methods/encode_text.pte", "methods/decode_latents.pte")
    files[names[0]], files[names[1]] = files[names[1]], files[names[0]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with Engine(folder) as engine, pytest.raises(CorruptError, match="does not match the manifest"):
        engine.generate("a dog", steps=1)


def test_without_a_prior_pack(tiny_bundle, tmp_path):
    folder = copy_bundle(tiny_bundle.bundle, tmp_path / "b", **{"prior/classes": {}})
    with Engine(folder) as engine:
        assert engine.info["prior_classes"] == []


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("a", True),
        ("a/b.c", True),
        ("..a/b..", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("./a", False),
        ("a/../b", False),
        ("..", False),
        ("C:a", False),
        ("a\\b", False),
        ("a\nb", False),
    ],
)
def test_paths(testing_library, path, safe):
    assert bool(testing_library.lkt_is_safe_path(path.encode())) is safe


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def manifest(tiny_bundle) -> dict:
    return json.loads((tiny_bundle.bundle / "manifest.json").read_text())


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_anywhere_is_accepted_or_refused(testing_library, manifest, data):
    """One value of the manifest, at any depth, becomes any other: never a crash or an unknown exception."""
    changed = copy.deepcopy(manifest)
    node, depth = changed, 0
    while True:
        keys = range(len(node)) if isinstance(node, list) else sorted(node)
        key = data.draw(st.sampled_from(list(keys)), label="key")
        child = node[key]
        if not isinstance(child, dict | list) or not child or (depth and data.draw(st.booleans(), label="stop")):
            node[key] = data.draw(json_values, label="value")
            break
        node, depth = child, depth + 1
    text = json.dumps(changed).encode()
    status = testing_library.lkt_parse_manifest(text, ctypes.c_size_t(len(text)))
    assert status in (0, CORRUPT, 4)


def objects_of(value, path=()):
    """Paths of every object inside `value`, itself included, but those that hold what they hold."""
    if isinstance(value, dict):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if (*path, key)[:1] != ("recommended",) or len(path) == 0:
            yield from objects_of(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def readers_accept(testing_library, text: bytes) -> tuple[bool, bool]:
    """Whether Python reads this manifest, and whether the core does."""
    try:
        mf.from_json(text.decode())
        python = True
    except mf.BundleError:
        python = False
    return python, testing_library.lkt_parse_manifest(text, ctypes.c_size_t(len(text))) == 0


def test_python_and_the_core_refuse_the_same_fields(testing_library, manifest):
    """Every object of the manifest loses each of its fields in turn, and gets one too many."""
    both = functools.partial(readers_accept, testing_library)
    manifest = {**manifest, "noise": {**manifest["noise"], "betas": [0.1, 0.2]}}  # a short one, for speed
    text = json.dumps(manifest).encode()
    assert both(text) == (True, True)
    assert both(b"\xef\xbb\xbf" + text) == both(text + b"\0") == both(text + b"{}") == (False, False)
    seen = 0
    for path in objects_of(manifest):
        if path[:1] in (("files",), ("tensors",)) and len(path) == 2 and path[1] != sorted(manifest[path[0]])[0]:
            continue  # one of many that are alike
        changed = copy.deepcopy(manifest)
        at(changed, path)["further"] = {}
        if path != ("prior", "classes"):
            assert both(json.dumps(changed).encode()) == (False, False), f"{path}: a further field"
        for key in at(manifest, path):
            changed = copy.deepcopy(manifest)
            del at(changed, path)[key]
            python, core = both(json.dumps(changed).encode())
            assert python == core, f"{path}: without {key}"
            seen += not core
    assert seen > 50


PROGRAM_CHANGES = {
    "a package": ({"program": "m/unet.mlpackage", "function": "train_step"}, True),
    "a package of one file": ({"program": "m/one.mlpackage"}, True),
    "another function": ({"function": "_2"}, True),
    "a folder in a package": ({"program": "m/unet.mlpackage/Data"}, False),
    "a package in a package": ({"program": "m/unet.mlpackage/inner.mlpackage"}, True),
    "a file of a package": ({"program": "m/unet.mlpackage/Manifest.json"}, True),
    "a package with a slash": ({"program": "m/unet.mlpackage/"}, False),
    "beside a package": ({"program": "m/unet.mlpackag"}, False),
    "a folder": ({"program": "m"}, False),
    "a name that is all suffix": ({"program": "m/.mlpackage"}, True),
    "no such package": ({"program": "m/other.mlpackage"}, False),
    "the bundle": ({"program": "."}, False),
    "outside": ({"program": "m/../m/unet.mlpackage"}, False),
    "no name": ({"program": ""}, False),
    "a number first": ({"function": "2a"}, False),
    "no function": ({"function": ""}, False),
    "a function with a zero": ({"function": "a\0b"}, False),
    "a function with an accent": ({"function": "é"}, False),
    "a function's new line": ({"function": "a\n"}, False),
}


@pytest.mark.parametrize("name", PROGRAM_CHANGES)
def test_python_and_the_core_agree_on_programs(testing_library, manifest, name):
    change, good = PROGRAM_CHANGES[name]
    changed = copy.deepcopy(manifest)
    files = ("unet.mlpackage/Manifest.json", "unet.mlpackage/Data/w", "unet.mlpackage/inner.mlpackage/w")
    for file in (*files, "one.mlpackage/w", ".mlpackage/w"):
        changed["files"][f"m/{file}"] = {"size": 1, "sha256": "0" * 64}
    changed["methods"]["denoise"]["stages"][0]["forward"].update(change)
    assert readers_accept(testing_library, json.dumps(changed).encode()) == (good, good)


def test_a_programs_fingerprint_is_its_contents(testing_library, manifest):
    """Wherever the package lies and whatever is beside it; another byte or another name in it makes another."""
    changed = copy.deepcopy(manifest)
    contents = {"a/w": "1", "b/w": "1", "other/w": "2", "renamed/v": "1", "more/w": "1", "more/x": "1"}
    for name, digit in contents.items():
        package, file = name.split("/")
        changed["files"][f"{package}.mlpackage/{file}"] = {"size": 1, "sha256": digit * 64}
    text = json.dumps(changed).encode()

    def fingerprint(path: str) -> bytes:
        found = ctypes.create_string_buffer(65)
        assert testing_library.lkt_fingerprint(text, ctypes.c_size_t(len(text)), path.encode(), found) == 0
        return found.value

    assert fingerprint("a.mlpackage") == fingerprint("b.mlpackage")
    distinct = {fingerprint(f"{name}.mlpackage") for name in ("a", "other", "renamed", "more")}
    assert len(distinct) == 4 and all(re.fullmatch(rb"[0-9a-f]{64}", one) for one in distinct)


def test_copying_a_bundle_is_enough(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle.bundle, tmp_path / "copied")
    Engine(tmp_path / "copied").close()
