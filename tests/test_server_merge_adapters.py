"""Merging adapters on the desktop: the constraints hold, the core makes the same file, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from device_runtime import Engine
from models import manifest as mf
from models.adapter_file import AdapterFile, read, write
from server_distill import merge_adapters
from server_distill.personalization.constrained_update import RIDGE
from tests.bundles import REPOSITORY, ExportedModel

HIDDEN, RANK = 32, 4


@pytest.fixture(scope="module")
def manifest(tiny_bundle: ExportedModel) -> mf.Manifest:
    return mf.read(tiny_bundle.bundle)


@pytest.fixture(scope="module")
def base(tiny_bundle: ExportedModel, manifest: mf.Manifest) -> dict[str, Tensor]:
    return load_file(tiny_bundle.bundle / manifest.adapters["full"].initial)


def adapter_of(
    manifest: mf.Manifest, base: dict[str, Tensor], kind: str, token: str, class_name: str, seed: int
) -> AdapterFile:
    """Random tensors near the base's."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        tensor.name: base.get(tensor.name, torch.zeros(tensor.shape))
        + 0.2 * torch.randn(tensor.shape, generator=generator)
        for tensor in manifest.adapters[kind].tensors
    }
    embeddings = torch.randn((1, HIDDEN), generator=generator)
    model, rank = manifest.model, manifest.adapters[kind].rank
    return AdapterFile(
        model.name, model.weights_sha256, kind, rank, tensors, [token], embeddings, class_name, {"steps": seed}
    )


@pytest.fixture(scope="module")
def pair(manifest: mf.Manifest, base: dict[str, Tensor]) -> list[AdapterFile]:
    return [
        adapter_of(manifest, base, "full", "<rex>", "dog", 1),
        adapter_of(manifest, base, "lora", "<ünser>", "cat", 2),
    ]


@pytest.fixture(scope="module")
def merged(
    pair: list[AdapterFile], manifest: mf.Manifest, base: dict[str, Tensor], tiny_bundle: ExportedModel
) -> AdapterFile:
    return merge_adapters.merge([(a.class_name, a) for a in pair], manifest, base, tiny_bundle.model)


def test_own_words_give_own_keys_and_values(
    pair: list[AdapterFile],
    merged: AdapterFile,
    manifest: mf.Manifest,
    base: dict[str, Tensor],
    tiny_bundle: ExportedModel,
) -> None:
    text = merge_adapters._text_states(pair, manifest, tiny_bundle.model)
    for adapter in pair:
        rows, slack = text.subject(adapter.modifier_tokens[0], adapter.class_name)
        # Token and class; of n positions, five are the start's and those of "a photo of a".
        assert [int((slack == 0).sum()), len(rows)] == [2, 24 - 5]
        miss, whole = 0.0, 0.0
        for name, weights in merge_adapters.full_weights(adapter, manifest, base).items():
            wanted, before = rows.double() @ weights.T, rows.double() @ base[name].double().T
            actual = rows.double() @ merged.tensors[name].double().T
            met = slack == 0
            # The matrices are rounded to float32: 6e-8 of sums of 32 products of size 1.
            torch.testing.assert_close(actual[met], wanted[met], rtol=0, atol=1e-5)
            miss += (actual - wanted)[~met].square().sum().item()
            whole += (before - wanted)[~met].square().sum().item()
        # Padding is nearer than it was; two subjects have more of it than there are dimensions here.
        assert miss < whole


def test_what_the_captions_of_the_prior_become_is_weighed(
    pair: list[AdapterFile],
    merged: AdapterFile,
    manifest: mf.Manifest,
    base: dict[str, Tensor],
    tiny_bundle: ExportedModel,
) -> None:
    """Matrices that meet the words too, but know no captions, are worse by what the closed form minimizes."""
    text = merge_adapters._text_states(pair, manifest, tiny_bundle.model)
    captions = [caption for prior in manifest.prior.classes.values() for caption in prior.captions]
    states = torch.cat([text.caption(caption) for caption in captions]).double()
    gram = states.T @ states + RIDGE * states.square().sum() / HIDDEN * torch.eye(HIDDEN)
    subjects = [text.subject(adapter.modifier_tokens[0], adapter.class_name) for adapter in pair]
    own = [merge_adapters.full_weights(adapter, manifest, base) for adapter in pair]

    def cost(weights: dict[str, Tensor]) -> float:
        total = 0.0
        for name, before in base.items():
            change = weights[name].double() - before.double()
            total += torch.trace(change @ gram @ change.T).item()
            for (rows, slack), wanted in zip(subjects, own, strict=True):
                near = rows[slack > 0].double()
                missed = near @ (weights[name].double() - wanted[name]).T
                allowed = merge_adapters.END_SLACK * (near @ torch.linalg.inv(gram) * near).sum(1)
                total += (missed.square().sum(1) / allowed).sum().item()
        return total

    without = replace(manifest, prior=replace(manifest.prior, classes={}))
    other = merge_adapters.merge([(a.class_name, a) for a in pair], without, base, tiny_bundle.model)
    assert cost(merged.tensors) < 0.9 * cost(other.tensors)


def test_the_core_makes_the_same_file(
    pair: list[AdapterFile], merged: AdapterFile, tiny_bundle: ExportedModel, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{adapter.class_name}.safetensors" for adapter in pair]
    for path, adapter in zip(paths, pair, strict=True):
        write(path, adapter)
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        adapters = [engine.load_adapter(path) for path in paths]
        engine.merge_adapters(adapters, tmp_path / "core.safetensors")
    core = read(tmp_path / "core.safetensors")
    assert replace(core, tensors={}, modifier_embeddings=None) == replace(merged, tensors={}, modifier_embeddings=None)
    assert merged.modifier_embeddings is not None and core.modifier_embeddings is not None
    assert torch.equal(core.modifier_embeddings, merged.modifier_embeddings)
    assert core.tensors.keys() == merged.tensors.keys()
    for name, tensor in merged.tensors.items():
        # Text states of two programs differ by some 1e-6 of their size, and words that are alike amplify it.
        error = (core.tensors[name] - tensor).norm() / tensor.norm()
        assert error < 2e-4, f"{name}: {error}"


def test_order_does_not_matter(
    pair: list[AdapterFile],
    merged: AdapterFile,
    manifest: mf.Manifest,
    base: dict[str, Tensor],
    tiny_bundle: ExportedModel,
) -> None:
    other = merge_adapters.merge([(a.class_name, a) for a in pair[::-1]], manifest, base, tiny_bundle.model)
    assert other.modifier_tokens == merged.modifier_tokens[::-1]
    for name, tensor in merged.tensors.items():
        torch.testing.assert_close(other.tensors[name], tensor, rtol=1e-4, atol=1e-5)


def test_a_bundle_without_a_prior_pack(
    pair: list[AdapterFile], manifest: mf.Manifest, base: dict[str, Tensor], tiny_bundle: ExportedModel
) -> None:
    bare = replace(manifest, prior=replace(manifest.prior, classes={}))
    merged = merge_adapters.merge([(a.class_name, a) for a in pair], bare, base, tiny_bundle.model)
    assert all(tensor.isfinite().all() for tensor in merged.tensors.values())


def command(paths: list[Path], bundle: Path, model: Path, target: Path) -> list[str]:
    return [*map(str, paths), "--bundle", str(bundle), "--model", str(model), "--output", str(target)]


def test_command_line(
    pair: list[AdapterFile],
    merged: AdapterFile,
    tiny_bundle: ExportedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [tmp_path / f"{adapter.class_name}.safetensors" for adapter in pair]
    for path, adapter in zip(paths, pair, strict=True):
        write(path, adapter)
    target = tmp_path / "both.safetensors"
    assert merge_adapters.main(command(paths, tiny_bundle.bundle, tiny_bundle.model, target)) == 0
    assert capsys.readouterr().out.strip() == str(target)
    written = read(target)
    assert written.metadata() == merged.metadata()
    assert all(torch.equal(tensor, merged.tensors[name]) for name, tensor in written.tensors.items())


def with_tensor(adapter: AdapterFile, change: Callable[[Tensor], Tensor | None]) -> AdapterFile:
    name = min(adapter.tensors)
    changed = {**adapter.tensors, name: change(adapter.tensors[name].clone())}
    return replace(adapter, tensors={key: tensor for key, tensor in changed.items() if tensor is not None})


def nan_at_the_start(tensor: Tensor) -> Tensor:
    tensor[0, 0] = float("nan")
    return tensor


CHANGES: dict[str, tuple[Callable[[AdapterFile], AdapterFile], str]] = {
    "model": (lambda a: replace(a, base_model="pug", base_weights_sha256="3" * 64), "trained on pug .*holds tiny"),
    "token": (lambda a: replace(a, modifier_tokens=["<REX>"]), "the token '<REX>'"),
    "no token": (lambda a: replace(a, modifier_tokens=[], modifier_embeddings=None), "has no token"),
    "taken": (lambda a: replace(a, modifier_tokens=["a</w>"]), "already in use"),
    "tokens": (
        lambda a: replace(a, modifier_tokens=["<x>", "<y>"], modifier_embeddings=torch.eye(HIDDEN)[:2]),
        "have 3 tokens together, this model takes 2",
    ),
    "kind": (lambda a: replace(a, kind="other"), "none of full, lora"),
    "rank": (lambda a: replace(a, rank=RANK + 1), "is missing, unknown or of another shape"),
    "missing": (lambda a: with_tensor(a, lambda _: None), "is missing, unknown or of another shape"),
    "shape": (lambda a: with_tensor(a, lambda t: t[:1]), "is missing, unknown or of another shape"),
    "nan": (lambda a: with_tensor(a, nan_at_the_start), "not finite"),
    "nan embedding": (lambda a: replace(a, modifier_embeddings=torch.full((1, HIDDEN), torch.nan)), "not finite"),
    "huge": (lambda a: replace(a, modifier_embeddings=torch.full((1, HIDDEN), 3e38)), "not finite"),
    "embedding": (lambda a: replace(a, modifier_embeddings=torch.zeros(1, 3)), "shape"),
    "merged": (lambda a: replace(a, training={"merged": []}), "merged already"),
    "long": (lambda a: replace(a, class_name="dog " * 30), "this model reads 22"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_merged(
    name: str,
    pair: list[AdapterFile],
    tiny_bundle: ExportedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make, message = CHANGES[name]
    paths = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    write(paths[0], pair[0])
    write(paths[1], make(pair[1]))
    target = tmp_path / "both.safetensors"
    assert merge_adapters.main(command(paths, tiny_bundle.bundle, tiny_bundle.model, target)) == 1
    error = capsys.readouterr().err
    assert "error: " in error
    assert re.search(message, error), error
    assert not target.exists()


def test_words_that_read_the_same(
    pair: list[AdapterFile],
    manifest: mf.Manifest,
    base: dict[str, Tensor],
    tiny_bundle: ExportedModel,
) -> None:
    """Two tokens that never left their class's embedding."""
    twin = replace(pair[0], modifier_tokens=["<twin>"])
    with pytest.raises(merge_adapters.AdapterFileError, match="the words of '<twin>' read to the model as others"):
        merge_adapters.merge([("a", pair[0]), ("b", twin)], manifest, base, tiny_bundle.model)


def test_files_and_folders_that_are_wrong(
    pair: list[AdapterFile], tiny_bundle: ExportedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    for path, adapter in zip((first, second), pair, strict=True):
        write(path, adapter)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(first.read_bytes()[:900])
    bundle, model = tiny_bundle.bundle, tiny_bundle.model
    cases: list[tuple[list[Path], Path, Path, str]] = [
        ([first], bundle, model, "two adapters or more"),
        ([first, first], bundle, model, "the token '<rex>'"),
        ([first, cut], bundle, model, "cut.safetensors"),
        ([first, tmp_path / "missing.safetensors"], bundle, model, "missing.safetensors"),
        ([first, second], tmp_path, model, "manifest.json"),
        ([first, second], bundle, tmp_path, "is no pipeline folder"),
    ]
    for paths, bundle_folder, model_folder, message in cases:
        assert merge_adapters.main(command(paths, bundle_folder, model_folder, tmp_path / "x.safetensors")) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_another_models_folder(
    pair: list[AdapterFile],
    tiny_bundle: ExportedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def other_weights(components: dict[str, Any]) -> str:
        return "4" * 64

    monkeypatch.setattr(merge_adapters, "weights_sha256", other_weights)
    paths = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for path, adapter in zip(paths, pair, strict=True):
        write(path, adapter)
    arguments = command(paths, tiny_bundle.bundle, tiny_bundle.model, tmp_path / "x.safetensors")
    assert merge_adapters.main(arguments) == 1
    assert "has weights 444444444444…, the bundle's model tiny" in capsys.readouterr().err


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server_distill.merge_adapters", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert "python -m server_distill.merge_adapters" in done.stdout
    assert "Exit codes" in done.stdout
