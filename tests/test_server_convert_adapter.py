"""Adapters to diffusers' and PEFT's files and back: those libraries compute with them what the contract says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from device_runtime import Engine
from models.adapter import adapter_spec, base_weights, project_kv
from models.adapter_file import AdapterFile, AdapterFileError, from_parts, read, write
from models.kv_boundary import KVBoundaryUNet
from server_distill import convert_adapter
from tests.bundles import ExportedModel
from tests.runtime_helpers import TOKEN, new_session

HIDDEN, RANK = 32, 4


@pytest.fixture(scope="module")
def pipeline_folder(tiny_bundle: ExportedModel) -> Path:
    return tiny_bundle.model


def new_unet(folder: Path) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32).eval()


def new_pipeline(folder: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=new_unet(folder),
        scheduler=DDPMScheduler.from_pretrained(folder / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def adapter_of(folder: Path, kind: str) -> AdapterFile:
    """Random tensors near the base's."""
    unet = new_unet(folder)
    spec = adapter_spec(unet, kind, RANK if kind == "lora" else None)
    generator = torch.Generator().manual_seed(1)
    base = base_weights(unet)
    tensors = {
        name: base.get(name, torch.zeros(shape)) + 0.3 * torch.randn(shape, generator=generator)
        for name, shape in spec.tensor_shapes().items()
    }
    embeddings = torch.randn((2, HIDDEN), generator=generator)
    training = {"steps": 3, "learning_rate": 1e-3}
    return AdapterFile("tiny", "0" * 64, kind, spec.rank, tensors, ["<mine>", "<ünser>"], embeddings, "dog", training)


def expected_output(folder: Path, adapter: AdapterFile, inputs: tuple[Tensor, ...]) -> Tensor:
    """By the K/V boundary."""
    unet = new_unet(folder)
    spec = adapter_spec(unet, adapter.kind, adapter.rank)
    x_t, t, hidden = inputs
    kv = project_kv(spec, base_weights(unet), hidden, [adapter.tensors[name] for name in spec.tensor_shapes()])
    return KVBoundaryUNet(unet)(x_t, t, *kv)


@pytest.fixture(scope="module")
def inputs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    shapes = ((2, 4, 8, 8), (2, 24, HIDDEN))
    x_t, hidden = (torch.randn(shape, generator=generator) for shape in shapes)
    return x_t, torch.tensor([5.0, 700.0]), hidden


def equal(a: AdapterFile, b: AdapterFile) -> bool:
    same = a.metadata() == b.metadata() and a.tensors.keys() == b.tensors.keys()
    assert a.modifier_embeddings is not None and b.modifier_embeddings is not None
    same = same and torch.equal(a.modifier_embeddings, b.modifier_embeddings)
    return same and all(torch.equal(tensor, b.tensors[name]) for name, tensor in a.tensors.items())


@torch.no_grad()
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_diffusers_loads_it(pipeline_folder: Path, kind: str, inputs: tuple[Tensor, ...], tmp_path: Path) -> None:
    adapter = adapter_of(pipeline_folder, kind)
    convert_adapter.to_diffusers(adapter, tmp_path)
    pipeline = new_pipeline(pipeline_folder)
    if kind == "full":
        name = "pytorch_custom_diffusion_weights.bin"
        pipeline.unet.load_attn_procs(str(tmp_path), weight_name=name, _pipeline=pipeline)
    else:
        pipeline.load_lora_weights(str(tmp_path))
    x_t, t, hidden = inputs
    actual = pipeline.unet(x_t, t, hidden).sample
    expected = expected_output(pipeline_folder, adapter, inputs)
    assert (actual - new_unet(pipeline_folder)(x_t, t, hidden).sample).abs().max() > 0.01
    # B·(A·x) against (W + B·A)·x: another order of the same float32 products.
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    for i, token in enumerate(adapter.modifier_tokens):
        pipeline.load_textual_inversion(str(tmp_path), weight_name=f"learned_embeds_{i}.safetensors", token=token)
        row = pipeline.text_encoder.get_input_embeddings().weight[pipeline.tokenizer.convert_tokens_to_ids(token)]
        assert adapter.modifier_embeddings is not None
        assert torch.equal(row, adapter.modifier_embeddings[i])


@torch.no_grad()
def test_peft_loads_it(pipeline_folder: Path, inputs: tuple[Tensor, ...], tmp_path: Path) -> None:
    adapter = adapter_of(pipeline_folder, "lora")
    convert_adapter.to_peft(adapter, tmp_path)
    model = PeftModel.from_pretrained(new_unet(pipeline_folder), str(tmp_path)).eval()
    x_t, t, hidden = inputs
    expected = expected_output(pipeline_folder, adapter, inputs)
    torch.testing.assert_close(model(x_t, t, hidden).sample, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "to"), [("full", "to-diffusers"), ("lora", "to-diffusers"), ("lora", "to-peft")])
def test_there_and_back_is_the_same_adapter(pipeline_folder: Path, kind: str, to: str, tmp_path: Path) -> None:
    first, folder, second = tmp_path / "a.safetensors", tmp_path / "folder", tmp_path / "b.safetensors"
    write(first, adapter_of(pipeline_folder, kind))
    assert convert_adapter.main([to, str(first), str(folder)]) == 0
    assert convert_adapter.main([to.replace("to-", "from-"), str(folder), str(second)]) == 0
    assert equal(read(first), read(second))


def test_a_folder_of_another_tool_needs_the_bundle(
    tiny_bundle: ExportedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what comes of it is loaded by the core."""
    folder, target = tmp_path / "folder", tmp_path / "a.safetensors"
    convert_adapter.to_diffusers(adapter_of(tiny_bundle.model, "full"), folder)
    (folder / "likeness.json").unlink()
    assert convert_adapter.main(["from-diffusers", str(folder), str(target)]) == 1
    assert "--bundle" in capsys.readouterr().err
    arguments = ["--bundle", str(tiny_bundle.bundle), "--class-name", "dog"]
    assert convert_adapter.main(["from-diffusers", str(folder), str(target), *arguments]) == 0
    with Engine(tiny_bundle.bundle, threads=1) as engine, engine.load_adapter(target) as adapter:
        assert adapter.info["modifier_tokens"] == ["<mine>", "<ünser>"]
        assert adapter.info["class_name"] == "dog"


def test_a_trained_adapter_compresses_to_what_paints_nearly_the_same(
    tiny_bundle: ExportedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, small = tmp_path / "full.safetensors", tmp_path / "small.safetensors"
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        with new_session(engine, None, learning_rate=1e-2, steps=8) as session:
            session.run()
            session.save_adapter(full)
        command = ["compress", str(full), str(small), "--bundle", str(tiny_bundle.bundle)]
        assert convert_adapter.main(command) == 0
        assert "is lost" in capsys.readouterr().out
        pictures = []
        for path in (full, small):
            with engine.load_adapter(path) as adapter:
                pictures.append(engine.generate(f"a {TOKEN} dog", adapter, seed=1, steps=4)[0].astype(int))
        plain = engine.generate("a dog", seed=1, steps=4)[0].astype(int)
    assert read(small).rank == 4
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.5 * np.abs(pictures[0] - plain).mean()


def test_compressing_at_full_rank_loses_nothing(pipeline_folder: Path) -> None:
    adapter = adapter_of(pipeline_folder, "full")
    base = base_weights(new_unet(pipeline_folder))
    rank = HIDDEN + 3  # more than there are singular values
    small, lost = convert_adapter.compress(adapter, base, rank)
    assert lost == 0
    for name, tensor in adapter.tensors.items():
        prefix = name.removesuffix(".weight")
        change = small.tensors[f"{prefix}.lora_B.weight"] @ small.tensors[f"{prefix}.lora_A.weight"]
        torch.testing.assert_close(base[name] + change, tensor, rtol=1e-5, atol=1e-5)
    losses = [convert_adapter.compress(adapter, base, r)[1] for r in (1, 4, 8)]
    assert 1 > losses[0] > losses[1] > losses[2] > 0


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.5, 1), (0.6, 2), (0.8, 2), (0.81, 3), (1.0, 3)])
def test_singular_values_that_explain_a_share(share: float, count: int) -> None:
    assert convert_adapter.explaining(torch.tensor([5.0, 3.0, 2.0]), share) == count
    assert convert_adapter.explaining(torch.zeros(4), share) == 1


def test_each_matrix_is_cut_where_its_values_explain_the_share(pipeline_folder: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(pipeline_folder, subfolder="unet")
    base = base_weights(unet)
    generator = torch.Generator().manual_seed(5)
    ranks = {name: 1 + i % 3 for i, name in enumerate(base)}
    change = {
        name: torch.linalg.qr(torch.randn(len(w), ranks[name], generator=generator)).Q
        @ torch.linalg.qr(torch.randn(w.shape[1], ranks[name], generator=generator)).Q.T
        for name, w in base.items()
    }
    adapter = AdapterFile("x", "0" * 64, "full", None, {name: w + change[name] for name, w in base.items()})
    small, lost = convert_adapter.compress(adapter, base, explained=0.99)
    assert small.rank == 3 and lost < 1e-9
    for name, rank in ranks.items():
        low = small.tensors[f"{name.removesuffix('.weight')}.lora_A.weight"]
        assert low.shape[0] == 3 and not low[rank:].any()


def test_errors_say_what_is_wrong(
    tiny_bundle: ExportedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full.safetensors"
    write(full, adapter_of(tiny_bundle.model, "full"))
    cases: list[tuple[list[str], str]] = [
        (["to-peft", str(full), str(tmp_path / "x")], "compress it first"),
        (["from-peft", str(tmp_path), str(tmp_path / "y")], "has neither"),
        (["to-diffusers", str(tmp_path / "nothing"), str(tmp_path / "x")], "nothing"),
        (["compress", str(full), str(tmp_path / "y"), "--bundle", str(tiny_bundle.bundle)], "was trained on tiny"),
    ]
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other)
    cases.append((["to-diffusers", str(other), str(tmp_path / "x")], "it is no adapter"))
    for command, words in cases:
        assert convert_adapter.main(command) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("damaged", ["weights", "learned_embeds", "likeness"])
def test_a_truncated_file_in_a_folder_is_named(
    pipeline_folder: Path, kind: str, damaged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = tmp_path / "folder", tmp_path / "a.safetensors"
    convert_adapter.to_diffusers(adapter_of(pipeline_folder, kind), folder)
    path = next(path for path in folder.iterdir() if damaged in path.name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert convert_adapter.main(["from-diffusers", str(folder), str(target)]) == 1
    assert f"error: {folder}: a file is damaged" in capsys.readouterr().err
    assert not target.exists()


def test_query_matrices_are_refused(pipeline_folder: Path, tmp_path: Path) -> None:
    """freeze_model=crossattn trains more than a phone can."""
    convert_adapter.to_diffusers(adapter_of(pipeline_folder, "full"), tmp_path)
    path = tmp_path / "pytorch_custom_diffusion_weights.bin"
    weights = torch.load(path)
    layer = next(key for key in weights if ".attn2." in key).partition(".processor.")[0]
    weights[f"{layer}.processor.to_q_custom_diffusion.weight"] = torch.zeros(16, 16)
    torch.save(weights, path)
    with pytest.raises(AdapterFileError, match="to_q"):
        convert_adapter.from_folder(tmp_path)


@given(st.dictionaries(st.sampled_from(["format", "format_version", "rank", "modifier_tokens", "kind"]), st.text()))
def test_damaged_metadata_is_an_error_or_an_adapter(changes: dict[str, str]) -> None:
    good = AdapterFile("m", "0" * 64, "full", None, {"a": torch.zeros(2)}).metadata()
    try:
        adapter = from_parts({**good, **changes}, {"a": torch.zeros(2)}, None)
    except AdapterFileError:
        return
    assert json.loads(adapter.metadata()["modifier_tokens"]) == []


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    adapter = AdapterFile("m", "0" * 64, "full", None, {"a": torch.tensor([1.0, float("nan")])})
    write(tmp_path / "a.safetensors", adapter)
    assert load_file(tmp_path / "a.safetensors")["a"].isnan().any()
    with pytest.raises(AdapterFileError, match="tensor a holds a value that is not finite"):
        read(tmp_path / "a.safetensors")
