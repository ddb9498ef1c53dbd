"""Peak memory and step time of distillation at Stable Diffusion's size: the plain recipe against one with less memory.

    python -m server_distill.bench_distill --resolution 512 --rounds 3

Each recipe runs in processes of its own, in turn (plain, lean, plain, lean …), on random weights of SD 1.x's shapes and
random data; medians and the ratio of each pair are reported. Peak memory is the process's own (VmHWM). The second step
is timed; the first also pays for what is set up once.

    plain   what distillation scripts do: autoencoder, text encoder, teacher and student in memory, float32; pictures
            and captions encoded in every step; the features of both networks held until the loss; AdamW
    lean    `server_distill.distill` with cached latents and text states, a teacher held in bf16 whose features are
            compared as they come, gradient checkpointing, bf16 products where the processor has them, Adafactor
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from server_distill.distillation.block_removal import feature_pairs, make_student
from server_distill.distillation.examples import Batch
from server_distill.distillation.losses import Distillation
from server_distill.training.host_memory import give_back_freed_tensors
from server_distill.training.optimizers import make_optimizer
from server_distill.training.precision import freeze, mixed_precision

RECIPES = ("plain", "lean")
SD_UNET = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
}
SD_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
SD_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
"""Stable Diffusion 1.x's configurations (runwayml/stable-diffusion-v1-5)."""
TOKENS = 77
STEPS = 2


def narrow(config: dict, share: float) -> dict:
    """The same layout with a share of the width, for a quick look: multiples of 96 fit every head and group."""
    changed = dict(config)
    for key in ("block_out_channels", "hidden_size", "intermediate_size", "cross_attention_dim"):
        if key in changed:
            value = changed[key]
            if share == 1:
                continue
            scaled = [max(96, int(v * share) // 96 * 96) for v in (value if isinstance(value, tuple) else (value,))]
            changed[key] = tuple(scaled) if isinstance(value, tuple) else scaled[0]
    return changed


def random_weights(module: torch.nn.Module) -> torch.nn.Module:
    """Small random matrices: what they hold is no matter, that they are not all zero pages is."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.01) if parameter.ndim < 2 else parameter.uniform_(-0.01, 0.01)
    return module


def make_teacher(share: float) -> UNet2DConditionModel:
    with torch.device("meta"):
        teacher = UNet2DConditionModel(**narrow(SD_UNET, share))
    return random_weights(teacher.to_empty(device="cpu")).requires_grad_(False)


class Plain:
    """The recipe as scripts have it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.teacher = make_teacher(args.share)
        self.student = make_student(self.teacher, args.level).train()
        self.vae = random_weights(AutoencoderKL(**narrow(SD_VAE, args.share))).requires_grad_(False)
        text = CLIPTextConfig(max_position_embeddings=TOKENS, **narrow(SD_TEXT, args.share))
        self.text = random_weights(CLIPTextModel(text)).requires_grad_(False)
        self.schedule = DDPMScheduler(beta_schedule="scaled_linear")
        self.optimizer = make_optimizer("adamw", self.student.parameters(), 1e-5)
        self.features: dict[str, torch.Tensor] = {}
        self.pairs = feature_pairs(self.student, args.level)
        for network, prefix, names in ((self.student, "s", self.pairs), (self.teacher, "t", self.pairs.values())):
            for name in names:
                network.get_submodule(name).register_forward_hook(self._keep(prefix + name))

    def _keep(self, name: str):  # type: ignore[no-untyped-def]
        def hook(_module: object, _inputs: object, output: torch.Tensor | tuple) -> None:
            self.features[name] = output[0] if isinstance(output, tuple) else output

        return hook

    def step(self) -> None:
        side, batch = self.args.resolution, self.args.batch
        with torch.no_grad():
            latents = self.vae.encode(torch.randn(batch, 3, side, side)).latent_dist.sample() * 0.18215
            hidden = self.text(torch.randint(1000, (batch, TOKENS)))[0]
        noise, timesteps = torch.randn_like(latents), torch.randint(1000, (batch,))
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        output = self.student(noisy, timesteps, hidden, return_dict=False)[0]
        with torch.no_grad():
            wanted = self.teacher(noisy, timesteps, hidden, return_dict=False)[0]
        features = sum(F.mse_loss(self.features[f"s{s}"], self.features[f"t{t}"]) for s, t in self.pairs.items())
        loss = F.mse_loss(output, noise) + 0.5 * F.mse_loss(output, wanted) + 0.5 * features
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class RandomExamples:
    """In place of a cache on disk: a row is read in microseconds."""

    def __init__(self, side: int, width: int) -> None:
        self.side, self.width = side // 8, width

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        shape = (size, 4, self.side, self.side)
        noise = torch.randn(shape, generator=generator)
        hidden = torch.randn((size, TOKENS, self.width), generator=generator)
        timesteps = torch.randint(1000, (size,), generator=generator)
        return Batch(torch.randn(shape, generator=generator), noise, noise, timesteps, hidden)


class Lean:
    """`server_distill.distill`'s own losses."""

    def __init__(self, args: argparse.Namespace) -> None:
        give_back_freed_tensors()
        accelerator = Accelerator(mixed_precision=mixed_precision("fp16"), cpu=True)
        teacher = make_teacher(args.share)
        student = make_student(teacher, args.level).train()
        freeze(teacher, "bf16", accelerator.device)
        student.enable_gradient_checkpointing()
        settings = Namespace(
            distill_level=args.level,
            task="general",
            feature_scale="plain",
            seed=0,
            train_batch_size=args.batch,
            snr_gamma=None,
            task_weight=1.0,
            output_weight=0.5,
            feature_weight=0.5,
        )
        examples = RandomExamples(args.resolution, student.config.cross_attention_dim)
        schedule = DDPMScheduler(beta_schedule="scaled_linear")
        self.work = Distillation(settings, accelerator, student, teacher, schedule, examples)  # type: ignore[arg-type]
        self.student, self.steps = student, 0
        self.optimizer = make_optimizer("adafactor", student.parameters(), 1e-5)

    def step(self) -> None:
        self.work.losses(self.steps)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1


def measure(args: argparse.Namespace) -> dict[str, float]:
    """One recipe in this process: seconds of the last step, peak memory in bytes."""
    torch.manual_seed(0)
    recipe = Plain(args) if args.measure == "plain" else Lean(args)
    seconds = 0.0
    for _ in range(STEPS):
        begun = time.perf_counter()
        recipe.step()
        seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    return {"seconds": seconds, "bytes": peak * 1024.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--level", default="sd_small")
    parser.add_argument("--share", type=float, default=1.0, help="of Stable Diffusion's widths; 0.2 is a quick look")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("out/bench-distill"))
    parser.add_argument("--measure", choices=RECIPES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args)))
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in RECIPES}
    shared = ["--resolution", args.resolution, "--batch", args.batch, "--level", args.level, "--share", args.share]
    for number in range(args.rounds):
        for name in RECIPES:
            command = [sys.executable, "-m", "server_distill.bench_distill", "--measure", name, *map(str, shared)]
            said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
            runs[name].append(json.loads(said.splitlines()[-1]))
            last = runs[name][-1]
            print(f"round {number + 1} {name}: {last['seconds']:.1f} s, {last['bytes'] / 2**30:.2f} GiB", flush=True)
    report: dict[str, float | int | str] = {
        name: value for name, value in vars(args).items() if name not in ("output", "measure")
    }
    for name in RECIPES:
        report[f"{name}_step_seconds"] = round(statistics.median(run["seconds"] for run in runs[name]), 2)
        report[f"{name}_peak_gib"] = round(statistics.median(run["bytes"] for run in runs[name]) / 2**30, 2)
    pairs = list(zip(runs["lean"], runs["plain"], strict=True))
    report["step_ratio"] = round(statistics.median(a["seconds"] / b["seconds"] for a, b in pairs), 3)
    report["memory_ratio"] = round(statistics.median(a["bytes"] / b["bytes"] for a, b in pairs), 3)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print("".join(f"{name:<20}{value}\n" for name, value in report.items()), end="")


if __name__ == "__main__":
    main()
