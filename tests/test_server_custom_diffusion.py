"""Results of every method, loaded by diffusers and computing what the phone will; resumption; class images drawn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from models.adapter_file import read
from server_distill import custom_diffusion
from server_distill.personalization import training as personalization
from tests.personalization_world import (  # noqa: F401
    PRIOR,
    TOKEN,
    check_loads,
    command,
    figures,
    inputs,
    make_world,
    new_accelerator,
    new_pipeline,
    pictures,
)


@pytest.mark.parametrize("method", ["custom_diffusion", "lora", "textual_inversion"])
def test_results_load(world: Path, tmp_path: Path, method: str) -> None:
    assert custom_diffusion.main(command(world, tmp_path, *PRIOR, f"--method={method}", "--max_train_steps=2")) == 0
    check_loads(world / "model", tmp_path, method)
    adapter = read(tmp_path / "adapter.safetensors")
    assert (adapter.kind, adapter.rank) == (("lora", 4) if method == "lora" else ("full", None))
    assert adapter.class_name == "cat" and adapter.base_model == "model"
    assert adapter.training["photos"] == 3 and adapter.training["steps"] == 2
    [prior] = json.loads((tmp_path / "prior.json").read_text())
    assert (prior["kind"], prior["images"]) == ("real", 5)


def test_results_load_without_safetensors(world: Path, tmp_path: Path) -> None:
    """And an earlier result in the other format does not stay beside them."""
    assert custom_diffusion.main(command(world, tmp_path, "--max_train_steps=1")) == 0
    assert custom_diffusion.main(command(world, tmp_path, "--max_train_steps=1", "--no_safe_serialization")) == 0
    check_loads(world / "model", tmp_path, "custom_diffusion", safe=False)
    assert not (tmp_path / "pytorch_custom_diffusion_weights.safetensors").exists()


def test_dreambooth_leaves_a_pipeline(world: Path, tmp_path: Path) -> None:
    more = ("--method=dreambooth", "--train_text_encoder", "--max_train_steps=1")
    assert custom_diffusion.main(command(world, tmp_path, *more)) == 0
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path)
    base = new_pipeline(world / "model")
    assert len(pipeline.tokenizer) == len(base.tokenizer) + 1
    for part in ("unet", "text_encoder"):
        old = dict(getattr(base, part).named_parameters())
        for name, parameter in getattr(pipeline, part).named_parameters():
            if "token_embedding" not in name:
                assert not torch.equal(parameter, old[name]), f"{part} {name} was not trained"
    picture = pipeline(f"a {TOKEN} cat", num_inference_steps=2, output_type="np").images[0]
    assert np.isfinite(picture).all()


def test_the_whole_cross_attention_is_for_diffusers_alone(world: Path, tmp_path: Path) -> None:
    assert custom_diffusion.main(command(world, tmp_path, "--freeze_model=crossattn", "--max_train_steps=1")) == 0
    assert not (tmp_path / "adapter.safetensors").exists()
    pipeline = new_pipeline(world / "model")
    x_t, t, hidden = inputs(32, 8)
    with torch.no_grad():
        plain = pipeline.unet(x_t, t, hidden).sample
    name = "pytorch_custom_diffusion_weights.safetensors"
    stored = load_file(tmp_path / name)
    trained = {key.split(".processor.")[1] for key, tensor in stored.items() if tensor.numel()}
    parts = ("to_k", "to_v", "to_q", "to_out")
    ends = (".weight", ".weight", ".weight", ".0.weight")
    wanted = {f"{part}_custom_diffusion{end}" for part, end in zip(parts, ends, strict=True)}
    assert trained == {*wanted, "to_out_custom_diffusion.0.bias"}
    pipeline.unet.load_attn_procs(str(tmp_path), weight_name=name, _pipeline=pipeline)
    with torch.no_grad():
        assert not torch.allclose(pipeline.unet(x_t, t, hidden).sample, plain, atol=1e-3)


def test_two_concepts_with_their_own_tokens(world: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "other", 2, 5)
    listed = [
        {"instance_prompt": f"a <new{i + 1}> {word}", "instance_data_dir": str(folder)}
        | {"class_prompt": word, "class_data_dir": str(world / "class")}
        for i, (word, folder) in enumerate((("cat", world / "photos"), ("dog", tmp_path / "other")))
    ]
    (tmp_path / "concepts.json").write_text(json.dumps(listed))
    more = (f"--concepts_list={tmp_path / 'concepts.json'}", "--modifier_token=<new1>+<new2>", "--num_class_images=4")
    output = tmp_path / "out"
    arguments = command(world, output, *PRIOR, *more, "--initializer_token=cat+dog", "--max_train_steps=4")
    assert custom_diffusion.main(arguments) == 0
    adapter = read(output / "adapter.safetensors")
    assert adapter.modifier_tokens == ["<new1>", "<new2>"] and adapter.class_name == "cat+dog"
    assert adapter.modifier_embeddings is not None
    base = CLIPTextModel.from_pretrained(world / "model" / "text_encoder").get_input_embeddings().weight
    tokenizer = CLIPTokenizer.from_pretrained(world / "model" / "tokenizer")
    for word, row in zip(("cat", "dog"), adapter.modifier_embeddings, strict=True):
        start = base[tokenizer.encode(word, add_special_tokens=False)[0]]
        assert 0 < (row - start).abs().max() < 0.1
    assert {path.name for path in output.glob("<*")} == {"<new1>.safetensors", "<new2>.safetensors"}


class KilledError(Exception):
    """What a kill is to the program: nothing after it happens."""


@pytest.mark.parametrize("more", [(), ("--cache_views=2", "--method=lora")])
def test_a_killed_run_goes_on_to_the_same_bytes(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    common = [*PRIOR, *more, "--max_train_steps=4", "--checkpointing_steps=2", "--lr_scheduler=cosine"]
    assert custom_diffusion.main(command(world, tmp_path / "whole", *common)) == 0
    losses = personalization.Personalization.losses

    def until(self: personalization.Personalization, micro_step: int) -> object:
        if micro_step == 3:
            raise KilledError
        return losses(self, micro_step)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(personalization.Personalization, "losses", until)
        custom_diffusion.main(command(world, tmp_path / "parts", *common))
    assert custom_diffusion.main(command(world, tmp_path / "parts", *common)) == 0
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name


def test_the_model_draws_the_class_images_that_are_missing(world: Path, tmp_path: Path) -> None:
    """Each by its number alone: a drawing that was broken off goes on with what another run would have drawn."""
    more = ["--with_prior_preservation", "--class_prompt=cat", "--num_class_images=3", "--max_train_steps=1"]
    more += ["--num_inference_steps=2", "--sample_batch_size=2"]
    for name in ("a", "b"):
        own = [*more, f"--class_data_dir={tmp_path / name}"]
        assert custom_diffusion.main(command(world, tmp_path / f"out-{name}", *own)) == 0
        if name == "a":
            shutil.copytree(tmp_path / "a", tmp_path / "b")
            sorted((tmp_path / "b").iterdir())[-1].unlink()
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert len(drawn) == 3 and len(set(drawn.values())) == 3
    # Another batch size may sum in another order: what is drawn alone equals what is drawn beside another nearly.
    for mine, theirs in zip(sorted((tmp_path / "a").iterdir()), sorted((tmp_path / "b").iterdir()), strict=True):
        values = [np.asarray(Image.open(path)).astype(int) for path in (mine, theirs)]
        assert np.abs(values[0] - values[1]).max() <= 1
    [prior] = json.loads((tmp_path / "out-a" / "prior.json").read_text())
    assert (prior["kind"], prior["images"]) == ("drawn by the model", 3)


def test_validation_pictures_a_log_and_a_card(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server_distill.training.hub.unreachable", lambda: "no network")
    more = [f"--validation_prompt={TOKEN} cat in a bucket", "--validation_steps=2", "--num_inference_steps=2"]
    more += ["--push_to_hub", "--cache_views=1", "--mixed_precision=bf16", "--gradient_checkpointing", "--noaug"]
    assert custom_diffusion.main(command(world, tmp_path, *more)) == 0
    assert {path.name for path in tmp_path.glob("logs/*.png")} == {"validation-2.png", "validation-3.png"}
    words = capsys.readouterr().err
    assert "not pushed to the hub: no network" in words and f"{tmp_path} is kept" in words
    assert "base_model: model" in (tmp_path / "README.md").read_text()
    check_loads(world / "model", tmp_path, "custom_diffusion")
    stored = load_file(tmp_path / "checkpoint-3" / "trained_0.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}
    assert sum(".rows" in name for name in stored) == 1 and len(stored) == 1 + 2 * 3
