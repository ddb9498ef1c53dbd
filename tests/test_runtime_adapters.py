"""Adapter files: format, metadata, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from device_runtime import (
    CorruptError,
    Engine,
    InvalidArgumentError,
    LikenessError,
    LikenessIOError,
    NotFiniteError,
    UnsupportedVersionError,
    WrongModelError,
)
from tests.runtime_helpers import TOKEN, copy_bundle, new_session, read_safetensors


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module", params=["full", "lora"])
def saved(request, engine, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("adapter") / "a.safetensors"
    with new_session(engine, None, steps=2, adapter_kind=request.param) as session:
        session.run()
        session.save_adapter(path)
    return path


def test_file_is_as_documented(engine, tiny_bundle, saved):
    """docs/bundle.md, "Adapter files"; read with the safetensors library."""
    tensors, metadata = read_safetensors(saved)
    manifest = json.loads((tiny_bundle.bundle / "manifest.json").read_text())
    kind = manifest["adapters"][metadata["kind"]]
    expected = {tensor["name"]: tuple(tensor["shape"]) for tensor in kind["tensors"]}
    assert {name: t.shape for name, t in tensors.items()} == {**expected, "modifier_embeddings": (1, 32)}
    assert all(t.dtype == np.float32 and np.isfinite(t).all() for t in tensors.values())
    assert metadata["format"] == "likeness-adapter"
    assert metadata["format_version"] == "1"
    assert metadata["base_model"] == manifest["model"]["name"]
    assert metadata["base_weights_sha256"] == manifest["model"]["weights_sha256"]
    assert metadata["rank"] == ("" if kind["rank"] is None else str(kind["rank"]))
    assert json.loads(metadata["modifier_tokens"]) == [TOKEN]
    assert metadata["class_name"] == "dog"
    training = json.loads(metadata["training"])
    assert (training["steps"], training["seed"], training["photos"], training["views"]) == (2, 11, 2, 5)
    with engine.load_adapter(saved) as adapter:
        assert adapter.info["kind"] == metadata["kind"]


def change(saved: Path, target: Path, tensors: dict | None = None, **metadata: str | None) -> Path:
    values, old = read_safetensors(saved)
    values = {k: v for k, v in {**values, **(tensors or {})}.items() if v is not None}
    save_file(values, str(target), {k: v for k, v in {**old, **metadata}.items() if v is not None})
    return target


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"format": "other"}, CorruptError, "likeness-adapter"),
        ({"format": None}, CorruptError, "likeness-adapter"),
        ({"format_version": "2"}, UnsupportedVersionError, "update the app"),
        ({"base_weights_sha256": "2" * 64, "base_model": "poodle"}, WrongModelError, 'poodle.*2222.*"tiny"'),
        ({"base_weights_sha256": None}, CorruptError, "lacks base_weights_sha256"),
        ({"kind": "other"}, InvalidArgumentError, "it has: full, lora"),
        ({"modifier_tokens": "["}, CorruptError, "modifier_tokens is not JSON"),
        ({"modifier_tokens": "{}"}, CorruptError, "not a list"),
        ({"modifier_tokens": '["<a>", "<b>", "<c>"]'}, InvalidArgumentError, "takes 2"),
        ({"modifier_tokens": '["<a>", "<b>"]'}, CorruptError, "modifier_embeddings"),
        ({"modifier_tokens": '["a</w>"]'}, InvalidArgumentError, "already in use"),
    ],
)
def test_wrong_metadata(engine, saved, tmp_path, metadata, error, message):
    with pytest.raises(error, match=message):
        engine.load_adapter(change(saved, tmp_path / "b.safetensors", **metadata))


def test_wrong_tensors_are_named(engine, saved, tmp_path):
    tensors, _ = read_safetensors(saved)
    name = next(name for name in sorted(tensors) if name != "modifier_embeddings")
    nan = tensors[name].copy()
    nan.flat[3] = np.nan
    for replacement, error in ((nan, NotFiniteError), (None, CorruptError), (tensors[name][:1, :1], CorruptError)):
        path = change(saved, tmp_path / "b.safetensors", {name: replacement})
        with pytest.raises(error, match=name.replace(".", r"\.")):
            engine.load_adapter(path)
    with pytest.raises(CorruptError, match="unknown tensor"):
        engine.load_adapter(change(saved, tmp_path / "b.safetensors", {"extra": np.zeros(3, np.float32)}))
    infinite = np.full((1, 32), np.inf, np.float32)
    with pytest.raises(NotFiniteError, match="modifier_embeddings"):
        engine.load_adapter(change(saved, tmp_path / "b.safetensors", {"modifier_embeddings": infinite}))


def test_cut_at_every_length(engine, saved, tmp_path):
    whole = saved.read_bytes()
    for length in (0, 1, 7, 8, 20, 500, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(CorruptError):
            engine.load_adapter(tmp_path / "cut")
    with pytest.raises(LikenessIOError, match="missing"):
        engine.load_adapter(tmp_path / "missing.safetensors")
    with pytest.raises(LikenessIOError):
        engine.load_adapter(tmp_path)


def test_flipped_bytes_never_crash(engine, saved, tmp_path):
    whole = saved.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[generator.integers(min(3000, len(whole)))] ^= 1 << generator.integers(8)
        (tmp_path / "flipped").write_bytes(damaged)
        try:
            engine.load_adapter(tmp_path / "flipped").close()
        except LikenessError as error:
            assert str(error)


def test_saving_replaces_the_file_as_a_whole(engine, saved, tmp_path):
    target = tmp_path / "a.safetensors"
    shutil.copy(saved, target)
    with new_session(engine, None, steps=1) as session:
        with pytest.raises(InvalidArgumentError, match="nothing is learned yet"):
            session.save_adapter(target)
        session.run()
        with pytest.raises(LikenessIOError):
            session.save_adapter(tmp_path / "no" / "folder" / "a.safetensors")
        session.save_adapter(target)
    assert target.read_bytes() != saved.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_token_that_the_model_trained_under_stays_its_own(engine, tiny_bundle, tmp_path):
    """The token is found in any case, as the tokenizer normalizes; its embedding starts as the class's."""
    embeddings = read_safetensors(tiny_bundle.bundle / "tokenizer" / "token_embeddings.safetensors")[0]
    with new_session(engine, None, steps=1, modifier_learning_rate=0.0, token="<Mine>") as session:
        session.run()
        session.save_adapter(tmp_path / "a.safetensors")
    tensors, _ = read_safetensors(tmp_path / "a.safetensors")
    rows = embeddings["token_embeddings"][engine.tokenize("dog")]
    np.testing.assert_allclose(tensors["modifier_embeddings"][0], rows.mean(0), rtol=1e-6)
    with engine.load_adapter(tmp_path / "a.safetensors") as adapter:
        assert engine.tokenize("<MINE>", adapter) == [700]


def test_another_model_names_both(tiny_bundle, saved, tmp_path):
    changes = {"model/weights_sha256": "3" * 64, "model/name": "pug"}
    other = copy_bundle(tiny_bundle.bundle, tmp_path / "b", **changes)
    with Engine(other) as engine, pytest.raises(WrongModelError, match='"tiny".*"pug".*3333'):
        engine.load_adapter(saved)
