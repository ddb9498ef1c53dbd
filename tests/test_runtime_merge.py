"""Merging adapters in the core: what comes out, and what is refused."""

from __future__ import annotations

import ctypes
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from device_runtime import (
    Adapter,
    CorruptError,
    Engine,
    InvalidArgumentError,
    LikenessIOError,
    NotFiniteError,
    WrongModelError,
    cli,
)
from device_runtime import library as c
from tests.runtime_helpers import copy_bundle, new_session, read_safetensors

SUBJECTS = {"dog": "<my-dog>", "cat": "<my-cat>"}


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def saved(engine, tmp_path_factory) -> dict[str, Path]:
    """An adapter of each kind, each of another subject."""
    paths = {}
    for (class_name, token), kind in zip(SUBJECTS.items(), ("full", "lora"), strict=True):
        paths[class_name] = tmp_path_factory.mktemp("merge") / f"{class_name}.safetensors"
        changes = {"class_name": class_name, "token": token, "adapter_kind": kind, "learning_rate": 3e-2}
        with new_session(engine, None, steps=6, **changes) as session:
            session.run()
            session.save_adapter(paths[class_name])
    return paths


def merge(engine: Engine, paths: list[Path], target: Path) -> Path:
    adapters = [engine.load_adapter(path) for path in paths]
    try:
        engine.merge_adapters(adapters, target)
    finally:
        for adapter in adapters:
            adapter.close()
    return target


@pytest.fixture(scope="module")
def both(engine, saved, tmp_path_factory) -> Path:
    return merge(engine, list(saved.values()), tmp_path_factory.mktemp("merged") / "both.safetensors")


def change(path: Path, target: Path, tensors: dict[str, np.ndarray] | None = None, **metadata: str) -> Path:
    values, old = read_safetensors(path)
    save_file({**values, **(tensors or {})}, str(target), {**old, **metadata})
    return target


def test_file_holds_all_tokens(engine, tiny_bundle, saved, both):
    tensors, metadata = read_safetensors(both)
    manifest = json.loads((tiny_bundle.bundle / "manifest.json").read_text())
    shapes = {tensor["name"]: tuple(tensor["shape"]) for tensor in manifest["adapters"]["full"]["tensors"]}
    assert {name: tensor.shape for name, tensor in tensors.items()} == {**shapes, "modifier_embeddings": (2, 32)}
    assert (metadata["kind"], metadata["rank"], metadata["class_name"]) == ("full", "", "")
    assert json.loads(metadata["modifier_tokens"]) == list(SUBJECTS.values())
    origins = json.loads(metadata["training"])["merged"]
    for i, (path, origin) in enumerate(zip(saved.values(), origins, strict=True)):
        alone, own = read_safetensors(path)
        assert origin["class_name"] == own["class_name"]
        assert origin["modifier_tokens"] == json.loads(own["modifier_tokens"])
        assert origin["training"] == json.loads(own["training"])
        np.testing.assert_array_equal(tensors["modifier_embeddings"][i], alone["modifier_embeddings"][0])
    base = load_file(str(tiny_bundle.bundle / "adapters" / "full.safetensors"))
    assert all(np.abs(tensors[name] - base[name]).max() > 1e-3 for name in base)
    with engine.load_adapter(both) as adapter:
        assert adapter.info["modifier_tokens"] == list(SUBJECTS.values())


def test_both_subjects_are_in_one_prompt(engine, both):
    with engine.load_adapter(both) as merged:
        assert engine.tokenize("<my-dog> <my-cat>", merged) == [700, 701]
        together = engine.generate("a <my-dog> dog and a <my-cat> cat", merged, seed=1, steps=3)
        assert together.shape == (1, 32, 32, 3)
        plain = engine.generate("a dog and a cat", seed=1, steps=3)
        assert np.abs(together.astype(int) - plain).mean() > 1


@pytest.mark.slow
def test_each_subject_is_painted_nearly_as_by_its_own_adapter(default_bundle, tmp_path):
    """On a model that has learned to paint."""
    with Engine(default_bundle.bundle, threads=1) as engine:
        paths = {}
        for seed, (class_name, token) in enumerate(SUBJECTS.items()):
            paths[class_name] = tmp_path / f"{class_name}.safetensors"
            changes = {"class_name": class_name, "token": token}
            # Forty steps have none to spare for small timesteps, whatever the bundle recommends.
            with new_session(engine, None, steps=40, seed=seed, fine_timesteps=0.0, **changes) as session:
                session.run()
                session.save_adapter(paths[class_name])
        merged_path = merge(engine, list(paths.values()), tmp_path / "both.safetensors")
        with engine.load_adapter(merged_path) as merged:
            for class_name, token in SUBJECTS.items():
                prompt = f"a photo of a {token} {class_name}"
                with engine.load_adapter(paths[class_name]) as own:
                    wanted = engine.generate(prompt, own, seed=2, steps=8).astype(int)
                actual = engine.generate(prompt, merged, seed=2, steps=8)
                without = engine.generate(f"a photo of a {class_name}", seed=2, steps=8)
                assert np.abs(wanted - actual).mean() < 0.6 * np.abs(wanted - without).mean()


def test_the_same_bytes_again_and_in_a_memory_limit(tiny_bundle, saved, both, tmp_path):
    with Engine(tiny_bundle.bundle, threads=1, memory_limit_bytes=1) as staged:
        again = merge(staged, list(saved.values()), tmp_path / "again.safetensors")
    assert again.read_bytes() == both.read_bytes()


def test_a_common_class_stays(engine, saved, tmp_path):
    _, metadata = read_safetensors(saved["dog"])
    embeddings = read_safetensors(saved["dog"])[0]["modifier_embeddings"]
    other = change(
        saved["dog"],
        tmp_path / "other.safetensors",
        {"modifier_embeddings": embeddings[:, ::-1].copy()},
        modifier_tokens='["<rex>"]',
    )
    target = merge(engine, [saved["dog"], other], tmp_path / "dogs.safetensors")
    assert read_safetensors(target)[1]["class_name"] == metadata["class_name"] == "dog"


def test_what_cannot_be_merged(engine, tiny_bundle, saved, both, tmp_path):
    dog, cat = saved.values()
    target = tmp_path / "x" / "merged.safetensors"
    target.parent.mkdir()
    alias = change(cat, tmp_path / "alias.safetensors", modifier_tokens='["<MY-dog>"]')
    third = change(cat, tmp_path / "third.safetensors", modifier_tokens='["<third>"]')
    embeddings = read_safetensors(dog)[0]["modifier_embeddings"]
    twin = change(dog, tmp_path / "twin.safetensors", {"modifier_embeddings": embeddings}, modifier_tokens='["<twin>"]')
    values, metadata = read_safetensors(dog)
    del values["modifier_embeddings"]
    save_file(values, str(tmp_path / "none.safetensors"), {**metadata, "modifier_tokens": "[]"})
    large = {name: np.full_like(t, 3e38) for name, t in read_safetensors(cat)[0].items() if "lora_B" in name}
    huge = change(cat, tmp_path / "huge.safetensors", large)
    cases = [
        ([], InvalidArgumentError, "two adapters or more"),
        ([dog], InvalidArgumentError, "two adapters or more"),
        ([dog, dog], InvalidArgumentError, 'the token "<my-dog>"'),
        ([dog, alias], InvalidArgumentError, 'the token "<MY-dog>"'),
        ([dog, cat, third], InvalidArgumentError, "have 3 tokens together, this model takes 2"),
        ([dog, twin], InvalidArgumentError, 'the words of "<twin>"'),
        ([dog, tmp_path / "none.safetensors"], InvalidArgumentError, 'class "dog" has no token'),
        ([both, third], InvalidArgumentError, '"<my-dog>" is merged already'),
        ([dog, huge], NotFiniteError, 'the keys or values of "<my-cat>"'),
    ]
    for paths, error, message in cases:
        with pytest.raises(error, match=message):
            merge(engine, paths, target)
    with pytest.raises(LikenessIOError):
        merge(engine, [dog, cat], tmp_path / "no" / "folder" / "merged.safetensors")
    assert list(target.parent.iterdir()) == []
    # What was there stays whole.
    shutil.copy(dog, target)
    with pytest.raises(InvalidArgumentError):
        merge(engine, [dog, dog], target)
    assert target.read_bytes() == dog.read_bytes()
    merge(engine, [dog, cat], target)
    assert target.read_bytes() == both.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_adapters_of_another_engine(engine, tiny_bundle, saved, tmp_path):
    """Of another model, and of a bundle of this one whose LoRA has another rank, which generating refuses too."""
    other = copy_bundle(tiny_bundle.bundle, tmp_path / "pug", **{"model/weights_sha256": "3" * 64, "model/name": "pug"})
    moved = change(saved["cat"], tmp_path / "cat.safetensors", base_weights_sha256="3" * 64)
    with (
        Engine(other, threads=1) as stranger,
        stranger.load_adapter(moved) as cat,
        engine.load_adapter(saved["dog"]) as dog,
        pytest.raises(WrongModelError, match="pug.*tiny"),
    ):
        engine.merge_adapters([dog, cat], tmp_path / "merged.safetensors")
    thinner = copy_bundle(tiny_bundle.bundle, tmp_path / "thin")
    manifest = json.loads((thinner / "manifest.json").read_text())
    small = {}
    for tensor in manifest["adapters"]["lora"]["tensors"]:
        tensor["shape"] = [1 if size == 4 else size for size in tensor["shape"]]
        for name in (tensor["name"], f"d:{tensor['name']}"):
            if name in manifest["tensors"]:
                manifest["tensors"][name]["shape"] = tensor["shape"]
        small[tensor["name"]] = np.zeros(tensor["shape"], np.float32)
    manifest["adapters"]["lora"]["rank"] = 1
    (thinner / "manifest.json").write_text(json.dumps(manifest))
    thin_cat = change(saved["cat"], tmp_path / "thin.safetensors", small)
    with Engine(thinner, threads=1) as stranger, stranger.load_adapter(thin_cat) as cat:
        with engine.load_adapter(saved["dog"]) as dog, pytest.raises(InvalidArgumentError, match="other sizes"):
            engine.merge_adapters([dog, cat], tmp_path / "merged.safetensors")
        with pytest.raises(InvalidArgumentError, match="other sizes"):
            engine.generate("a <my-cat> cat", cat, steps=1)


def test_null_arguments(engine, saved, tmp_path):
    path = c.encode(tmp_path / "merged.safetensors")
    with engine.load_adapter(saved["dog"]) as dog:
        pair = (ctypes.c_void_p * 2)(dog.handle.value, None)
        for arguments in ((None, pair, 2, path), (engine.handle, None, 2, path), (engine.handle, pair, 2, None)):
            with pytest.raises(InvalidArgumentError, match="is NULL"):
                c.call("lk_adapter_merge", *arguments)
        with pytest.raises(InvalidArgumentError, match="an adapter is NULL"):
            c.call("lk_adapter_merge", engine.handle, pair, 2, path)


def test_a_closed_adapter_is_an_error(engine, saved, tmp_path):
    dog: Adapter = engine.load_adapter(saved["dog"])
    dog.close()
    with pytest.raises(ValueError, match="closed"):
        engine.merge_adapters([dog, dog], tmp_path / "merged.safetensors")


def test_training_settings_that_are_damaged(engine, saved, tmp_path):
    deep = change(saved["cat"], tmp_path / "deep.safetensors", training="[" * 5000)
    with pytest.raises(CorruptError, match="training settings"):
        merge(engine, [saved["dog"], deep], tmp_path / "merged.safetensors")


def test_command_line(tiny_bundle, saved, both, tmp_path, capsys):
    arguments = ["merge", *map(str, saved.values()), "--bundle", str(tiny_bundle.bundle), "--threads", "1"]
    target = tmp_path / "both.safetensors"
    assert cli.main([*arguments, "--output", str(target)]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(target)
    assert "knows <my-dog>, <my-cat>" in captured.err
    assert target.read_bytes() == both.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(target.read_bytes()[:500])
    arguments[1] = str(cut)
    assert cli.main([*arguments, "--output", str(tmp_path / "none.safetensors")]) == 1
    assert "error: " in capsys.readouterr().err
    assert not (tmp_path / "none.safetensors").exists()
