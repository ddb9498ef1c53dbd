"""A pipeline with an adapter computes what the K/V boundary does, and what diffusers' and PEFT's loaders give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.adapter import adapter_spec, base_weights, project_kv
from models.adapter_file import AdapterFile, AdapterFileError, write
from models.kv_boundary import KVBoundaryUNet
from models.text_boundary import TextBoundary
from server_distill.convert_adapter import REST, to_diffusers, to_peft
from server_distill.evaluation.apply_adapter import Applied, apply_adapter
from server_distill.evaluation.pipeline import load_pipeline, pipeline_sha256
from tests.bundles import make_tiny_model

HIDDEN, RANK = 32, 3
TOKENS = ["<new1>", "<ünser>"]
PROMPT = "a photo of a <new1> dog and <ünser> cat on grass"
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
"""B·(A·x) against (W + B·A)·x: another order of the same float32 products."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    make_tiny_model(path)
    return path


@pytest.fixture(scope="module")
def sha256(folder: Path) -> str:
    return pipeline_sha256(load_pipeline(folder))


@pytest.fixture(params=["full", "lora"])
def adapter(request: pytest.FixtureRequest, folder: Path, sha256: str) -> AdapterFile:
    return new_adapter(folder, sha256, request.param)


def new_adapter(folder: Path, sha256: str, kind: str) -> AdapterFile:
    """Random tensors near the base's."""
    unet = load_pipeline(folder).unet
    spec, base = adapter_spec(unet, kind, RANK if kind == "lora" else None), base_weights(unet)
    generator = torch.Generator().manual_seed(1)
    tensors = {
        name: base.get(name, torch.zeros(shape)) + 0.3 * torch.randn(shape, generator=generator)
        for name, shape in spec.tensor_shapes().items()
    }
    embeddings = torch.randn((2, HIDDEN), generator=generator)
    return AdapterFile("tiny", sha256, kind, spec.rank, tensors, TOKENS, embeddings, "dog")


def saved(adapter: AdapterFile, folder: Path) -> Path:
    write(folder / "adapter.safetensors", adapter)
    return folder / "adapter.safetensors"


@torch.no_grad()
def text_states(pipeline: StableDiffusionPipeline, prompt: str = PROMPT) -> Tensor:
    states, _ = pipeline.encode_prompt(prompt, "cpu", 1, False)
    return states


@torch.no_grad()
def noise_of(pipeline: StableDiffusionPipeline, hidden: Tensor) -> Tensor:
    x_t = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    return pipeline.unet(x_t, torch.tensor([300.0]), hidden).sample


@torch.no_grad()
def expected(folder: Path, adapter: AdapterFile) -> tuple[Tensor, Tensor]:
    """Text states and UNet output by the boundaries, which is how the phone computes them."""
    pipeline = load_pipeline(folder)
    boundary = TextBoundary(pipeline.text_encoder)
    pipeline.tokenizer.add_tokens(adapter.modifier_tokens)
    length = boundary.max_length
    ids = pipeline.tokenizer(PROMPT, padding="max_length", max_length=length, return_tensors="pt").input_ids
    assert {boundary.vocab_size, boundary.vocab_size + 1} <= set(ids[0].tolist())
    assert adapter.modifier_embeddings is not None
    hidden = boundary(ids, adapter.modifier_embeddings)
    spec = adapter_spec(pipeline.unet, adapter.kind, adapter.rank)
    tensors = [adapter.tensors[name] for name in spec.tensor_shapes()]
    x_t = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    kv = project_kv(spec, base_weights(pipeline.unet), hidden, tensors)
    return hidden, KVBoundaryUNet(pipeline.unet)(x_t, torch.tensor([300.0]), *kv)


def check(pipeline: StableDiffusionPipeline, folder: Path, adapter: AdapterFile) -> None:
    hidden, noise = expected(folder, adapter)
    actual = text_states(pipeline)
    torch.testing.assert_close(actual, hidden, **TOLERANCE)
    torch.testing.assert_close(noise_of(pipeline, actual), noise, **TOLERANCE)
    assert (noise - noise_of(load_pipeline(folder), hidden)).abs().max() > 0.01


def test_it_computes_what_the_boundary_does(folder: Path, sha256: str, adapter: AdapterFile, tmp_path: Path) -> None:
    pipeline = load_pipeline(folder)
    plain = text_states(pipeline, "a dog")
    applied = apply_adapter(pipeline, saved(adapter, tmp_path), sha256)
    assert applied == Applied(TOKENS, "dog", True)
    check(pipeline, folder, adapter)
    assert torch.equal(text_states(pipeline, "a dog"), plain)


def test_it_is_what_diffusers_own_loaders_give(folder: Path, sha256: str, adapter: AdapterFile, tmp_path: Path) -> None:
    ours, theirs = load_pipeline(folder), load_pipeline(folder)
    to_diffusers(adapter, tmp_path)
    apply_adapter(ours, tmp_path, sha256)
    if adapter.kind == "full":
        name = "pytorch_custom_diffusion_weights.bin"
        theirs.unet.load_attn_procs(str(tmp_path), weight_name=name, _pipeline=theirs)
    else:
        theirs.load_lora_weights(str(tmp_path))
    for i, token in enumerate(TOKENS):
        theirs.load_textual_inversion(str(tmp_path), weight_name=f"learned_embeds_{i}.safetensors", token=token)
    assert torch.equal(text_states(ours), text_states(theirs))
    torch.testing.assert_close(noise_of(ours, text_states(ours)), noise_of(theirs, text_states(theirs)), **TOLERANCE)
    images = [
        pipe(PROMPT, num_inference_steps=3, output_type="pt", generator=torch.Generator().manual_seed(0)).images
        for pipe in (ours, theirs)
    ]
    torch.testing.assert_close(images[0], images[1], rtol=1e-3, atol=1e-3)


def test_a_folder_of_another_tool_is_taken_unchecked(folder: Path, adapter: AdapterFile, tmp_path: Path) -> None:
    pipeline = load_pipeline(folder)
    to_diffusers(adapter, tmp_path)
    (tmp_path / REST).unlink()
    assert apply_adapter(pipeline, tmp_path, "") == Applied(sorted(TOKENS), "", False)
    check(pipeline, folder, adapter)


def test_token_files_of_diffusers_training_script(folder: Path, sha256: str, tmp_path: Path) -> None:
    """train_custom_diffusion.py leaves `<new1>.bin` beside the weights."""
    adapter = new_adapter(folder, sha256, "full")
    to_diffusers(adapter, tmp_path)
    (tmp_path / REST).unlink()
    for path in tmp_path.glob("learned_embeds*"):
        for token, row in load_file(path).items():
            torch.save({token: row}, tmp_path / f"{token}.bin")
        path.unlink()
    pipeline = load_pipeline(folder)
    apply_adapter(pipeline, tmp_path, "")
    check(pipeline, folder, adapter)


def test_textual_inversion_alone(folder: Path, sha256: str, tmp_path: Path) -> None:
    save_file({"<new1>": torch.ones(HIDDEN)}, tmp_path / "learned_embeds.safetensors")
    pipeline = load_pipeline(folder)
    assert apply_adapter(pipeline, tmp_path, sha256).tokens == ["<new1>"]
    row = pipeline.tokenizer.convert_tokens_to_ids("<new1>")
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight[row], torch.ones(HIDDEN))


def test_a_peft_folder(folder: Path, sha256: str, tmp_path: Path) -> None:
    adapter = new_adapter(folder, sha256, "lora")
    to_peft(adapter, tmp_path)
    checked, unchecked = load_pipeline(folder), load_pipeline(folder)
    apply_adapter(checked, tmp_path, sha256)
    (tmp_path / REST).unlink()
    apply_adapter(unchecked, tmp_path, "")
    theirs = load_pipeline(folder)
    theirs.unet = PeftModel.from_pretrained(theirs.unet, str(tmp_path)).eval()
    hidden = text_states(checked)
    for pipeline in (checked, unchecked):
        check(pipeline, folder, adapter)
        torch.testing.assert_close(noise_of(pipeline, hidden), noise_of(theirs, hidden), **TOLERANCE)


def wider(adapter: AdapterFile) -> AdapterFile:
    assert adapter.modifier_embeddings is not None
    return replace(adapter, modifier_embeddings=torch.zeros(2, HIDDEN + 1))


def without_a_tensor(adapter: AdapterFile) -> AdapterFile:
    return replace(adapter, tensors=dict(list(adapter.tensors.items())[1:]))


DAMAGES: dict[str, tuple[Callable[[AdapterFile], AdapterFile], str]] = {
    "another model": (lambda a: replace(a, base_weights_sha256="0" * 64), "was trained on tiny"),
    "a tensor too few": (without_a_tensor, "this UNet takes"),
    "another width": (wider, "33 wide"),
    "a known word": (lambda a: replace(a, modifier_tokens=["<new1>", "dog</w>"]), "has the token dog</w> already"),
    "an unknown kind": (lambda a: replace(a, kind="ia3"), "ia3"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_fit_changes_nothing(
    folder: Path, sha256: str, adapter: AdapterFile, name: str, tmp_path: Path
) -> None:
    damage, words = DAMAGES[name]
    pipeline = load_pipeline(folder)
    with pytest.raises(AdapterFileError, match=words) as error:
        apply_adapter(pipeline, saved(damage(adapter), tmp_path), sha256)
    assert "adapter.safetensors" in str(error.value)
    assert pipeline_sha256(pipeline) == sha256


def test_folders_that_hold_nothing_usable(folder: Path, sha256: str, tmp_path: Path) -> None:
    with pytest.raises(AdapterFileError, match="holds no adapter"):
        apply_adapter(load_pipeline(folder), tmp_path, sha256)
    with pytest.raises(AdapterFileError, match="nothing"):
        apply_adapter(load_pipeline(folder), tmp_path / "nothing", sha256)
    adapter = new_adapter(folder, sha256, "full")
    narrow = {name: tensor[:, :-1].contiguous() for name, tensor in adapter.tensors.items()}
    to_diffusers(replace(adapter, tensors=narrow), tmp_path)
    (tmp_path / REST).unlink()
    with pytest.raises(AdapterFileError, match="this UNet takes"):
        apply_adapter(load_pipeline(folder), tmp_path, sha256)
    (tmp_path / "pytorch_custom_diffusion_weights.bin").write_bytes(b"broken")
    with pytest.raises(AdapterFileError, match="is damaged"):
        apply_adapter(load_pipeline(folder), tmp_path, sha256)
