"""What the tests of personalization share: a tiny model, pictures, the command, and diffusers' view of a result."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from models.adapter import adapter_spec, base_weights, project_kv
from models.adapter_file import read
from models.kv_boundary import KVBoundaryUNet
from models.weights_hash import weights_sha256
from server_distill import convert_adapter
from tests.bundles import make_tiny_model

ROOT = Path(__file__).resolve().parent.parent
TOKEN, PROMPT = "<new1>", "photo of a <new1> cat"
SIZE, FACTOR = 64, 4


@pytest.fixture(autouse=True)
def new_accelerator() -> Iterator[None]:
    """accelerate keeps a process's precision; each test has its own."""
    AcceleratorState._reset_state(reset_partial_state=True)
    handlers = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)]
    yield
    for name, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
        signal.signal(name, handler)
    AcceleratorState._reset_state(reset_partial_state=True)


def pictures(folder: Path, count: int, seed: int, size: int = 48) -> Path:
    """Smooth random ones, none square."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((size + 8 * (i + 1), size), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module", name="world")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/ (v), epsilon/ (the same weights, another schedule), photos/, class/."""
    folder = tmp_path_factory.mktemp("world")
    make_tiny_model(folder / "model")
    shutil.copytree(folder / "model", folder / "epsilon")
    schedule = folder / "epsilon" / "scheduler" / "scheduler_config.json"
    schedule.write_text(schedule.read_text().replace("v_prediction", "epsilon"))
    pictures(folder / "photos", 3, 1)
    pictures(folder / "class", 5, 2)
    return folder


PRIOR = ("--with_prior_preservation", "--real_prior", "--class_prompt=cat", "--num_class_images=5")


def command(world: Path, output: Path, *more: str, model: str = "model") -> list[str]:
    return [
        f"--pretrained_model_name_or_path={world / model}",
        f"--instance_data_dir={world / 'photos'}",
        f"--class_data_dir={world / 'class'}",
        f"--output_dir={output}",
        f"--instance_prompt={PROMPT}",
        f"--modifier_token={TOKEN}",
        f"--resolution={SIZE}",
        *("--train_batch_size=2", "--learning_rate=1e-3", "--lr_warmup_steps=0", "--max_train_steps=3", "--hflip"),
        *more,
    ]


def figures(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "logs" / "training.jsonl").read_text().splitlines()]


def new_pipeline(folder: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae", dtype=torch.float32),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32).eval(),
        scheduler=DDPMScheduler.from_pretrained(folder / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def inputs(width: int, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = ((2, 4, cells, cells), (2, 24, width))
    x_t, hidden = (torch.randn(shape, generator=generator) for shape in shapes)
    return x_t, torch.tensor([5, 700]), hidden


@torch.no_grad()
def check_loads(model: Path, output: Path, method: str, safe: bool = True) -> None:
    """What the phone will load computes what diffusers computes with its own files."""
    adapter = read(output / "adapter.safetensors")
    pipeline = new_pipeline(model)
    own = weights_sha256({"vae": pipeline.vae, "text_encoder": pipeline.text_encoder, "unet": pipeline.unet})
    assert adapter.base_weights_sha256 == own
    x_t, t, hidden = inputs(pipeline.unet.config.cross_attention_dim, pipeline.unet.config.sample_size)
    plain = pipeline.unet(x_t, t, hidden).sample
    spec = adapter_spec(pipeline.unet, adapter.kind, adapter.rank)
    kv = project_kv(spec, base_weights(pipeline.unet), hidden, [adapter.tensors[name] for name in spec.tensor_shapes()])
    expected = KVBoundaryUNet(pipeline.unet)(x_t, t, *kv)
    suffix = "safetensors" if safe else "bin"
    if method == "custom_diffusion":
        name = f"pytorch_custom_diffusion_weights.{suffix}"
        pipeline.unet.load_attn_procs(str(output), weight_name=name, _pipeline=pipeline)
    elif method == "lora":
        pipeline.load_lora_weights(str(output), weight_name="pytorch_lora_weights.safetensors")
    actual = pipeline.unet(x_t, t, hidden).sample
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert (method == "textual_inversion") == torch.equal(actual, plain)
    pipeline.load_textual_inversion(str(output), weight_name=f"{TOKEN}.{suffix}")
    row = pipeline.text_encoder.get_input_embeddings().weight[pipeline.tokenizer.convert_tokens_to_ids(TOKEN)]
    assert adapter.modifier_embeddings is not None and torch.equal(row, adapter.modifier_embeddings[0])
    if method != "textual_inversion":
        again = convert_adapter.from_folder(output)
        assert again.metadata() == adapter.metadata()
        assert all(torch.equal(tensor, adapter.tensors[name]) for name, tensor in again.tensors.items())
