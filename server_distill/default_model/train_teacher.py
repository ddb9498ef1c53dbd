"""Train the default teacher: text encoder and UNet on cached latents, from nothing, on a CPU.

    python -m server_distill.default_model.train_teacher --data out/train/latents.pt --vae out/train/vae \\
      --output out/train/teacher

Resumable: run it again and it goes on from its checkpoint. Without one, `--start models/default/teacher` goes on
from shipped weights, on any machine: averaged, fp16, and with a fresh optimizer, which costs a little at first. The
result is an ordinary diffusers pipeline folder holding the averaged (EMA) weights. v-prediction (Salimans & Ho
2022), since ε from a small network is too noisy at high noise; latents under the object weigh more in the loss,
since backgrounds are learned in no time; most timesteps come from the middle, where shapes are decided (Esser et al.
2024, section 3.1: logit-normal); captions are dropped one time in ten for classifier-free guidance (Ho & Salimans
2022).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.default_model.cpu_speed import bf16_is_faster, prepare
from server_distill.default_model.pretrain_text import new_text_encoder, object_targets, pretrain_text
from server_distill.training.state import StopRequest, load_state, save_state

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": (32, 64, 128, 256),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 128,
    "attention_head_dim": (1, 2, 4, 4),  # heads, in spite of its name: none narrower than 32 channels
    "norm_num_groups": 4,
}
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
OBJECT_WEIGHT = 3.0
CAPTION_DROPOUT = 0.1
EVEN_TIMESTEPS = 0.35
"""Share of timesteps drawn evenly; the others are logit-normal."""


def draw_timesteps(count: int, generator: torch.Generator) -> torch.Tensor:
    """Timesteps int64 (count,), each of the schedule's possible, the middle ones more often."""
    middle = torch.sigmoid(torch.randn(count, generator=generator))
    even = torch.rand(count, generator=generator)
    chosen = torch.where(torch.rand(count, generator=generator) < EVEN_TIMESTEPS, even, middle)
    steps = int(SCHEDULE["num_train_timesteps"])  # type: ignore[call-overload]
    return (chosen * steps).long().clamp(max=steps - 1)


class Example:
    """Batches of the cached latents, drawn by a seed and a step so that a resumed run sees what an
    unbroken one would.
    """

    def __init__(self, cache: dict[str, torch.Tensor], empty_ids: torch.Tensor, seed: int) -> None:
        self.latents = cache["latents"].float() * cache["scaling_factor"]
        self.coverage = cache["coverage"]
        self.tokens = cache["tokens"]
        self.empty_ids = empty_ids
        self.seed = seed

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, ...]:
        """latents (B, 4, h, w), token ids (B, n), loss weight (B, 1, h, w), noise, timesteps (B,)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.latents), (size,), generator=generator)
        which = torch.randint(self.tokens.shape[1], (size,), generator=generator)
        ids = self.tokens[rows, which].long()
        dropped = torch.rand(size, generator=generator) < CAPTION_DROPOUT
        ids[dropped] = self.empty_ids
        weight = 1 + (OBJECT_WEIGHT - 1) * self.coverage[rows, None].float() / 255
        latents = self.latents[rows]
        noise = torch.randn(latents.shape, generator=generator)
        return latents, ids, weight / weight.mean(), noise, draw_timesteps(size, generator)


def save_pipeline(
    output: Path,
    vae: Path,
    tokenizer: CLIPTokenizer,
    text: CLIPTextModel,
    unet: UNet2DConditionModel,
    scaling_factor: float,
    half: bool = False,
) -> None:
    """Write a diffusers Stable Diffusion folder."""
    autoencoder = AutoencoderKL.from_pretrained(vae)
    autoencoder.register_to_config(scaling_factor=round(scaling_factor, 6))
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    if half:
        pipeline = copy.deepcopy(pipeline).to(dtype=torch.float16)
    pipeline.save_pretrained(output, safe_serialization=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("out/train/latents.pt"))
    parser.add_argument("--vae", type=Path, default=Path("out/train/vae"))
    parser.add_argument("--tokenizer", type=Path, default=Path("out/train/tokenizer"))
    parser.add_argument("--output", type=Path, default=Path("out/train/teacher"))
    parser.add_argument("--start", type=Path, help="without a checkpoint, start from this pipeline folder's weights")
    parser.add_argument("--minutes", type=float, default=math.inf, help="how long this run trains at most")
    parser.add_argument("--steps", type=int, default=5000, help="stop for good at this step")
    parser.add_argument(
        "--decay-steps", type=int, help="the last so many steps lower the learning rate to 0 (default: a quarter)"
    )
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=8e-4)
    parser.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, help="UNet in bf16 (autocast); otherwise what is faster here"
    )
    parser.add_argument("--text-steps", type=int, default=5000, help="steps of the text encoder's own pretraining")
    parser.add_argument("--save-every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cache = load_state(args.data)
    if cache is None:
        parser.error(f"{args.data} is missing: run `python -m server_distill.default_model.cache_latents` first")
    tokenizer = CLIPTokenizer.from_pretrained(args.tokenizer)
    empty = tokenizer("", padding="max_length", return_tensors="pt").input_ids[0]
    examples = Example(cache, empty, args.seed)
    torch.manual_seed(args.seed)
    checkpoint = args.output / "checkpoint.pt"
    state = load_state(checkpoint)
    text, unet = new_text_encoder(tokenizer), UNet2DConditionModel(**UNET)
    if state is None and args.start:
        text = CLIPTextModel.from_pretrained(args.start / "text_encoder", torch_dtype=torch.float32)
        started = UNet2DConditionModel.from_pretrained(args.start / "unet", torch_dtype=torch.float32)
        unet.load_state_dict(started.state_dict())
    elif state is None:
        vae = AutoencoderKL.from_pretrained(args.vae).eval()
        targets = object_targets(args.output / "object_targets.pt", vae)
        pretrain_text(text, tokenizer, targets, args.text_steps, args.seed)
    bf16 = bf16_is_faster(unet) if args.bf16 is None else args.bf16
    precision = prepare(unet, bf16)
    pair = torch.nn.ModuleList([text, unet])
    average = copy.deepcopy(pair).requires_grad_(False)
    groups = [{"params": list(text.parameters()), "scale": 0.5}, {"params": list(unet.parameters()), "scale": 1.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    schedule = DDIMScheduler(**SCHEDULE)
    step, seconds = 0, 0.0
    if state:
        pair.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    decay_steps = args.steps // 4 if args.decay_steps is None else args.decay_steps
    stop, begun = StopRequest(), seconds
    start = last = time.monotonic()
    running: list[float] = []

    def save() -> None:
        save_state(
            checkpoint,
            {
                "model": pair.state_dict(),
                "average": average.state_dict(),
                "step": step,
                "optimizer": optimizer.state_dict(),
                "seconds": seconds,
            },
        )
        save_pipeline(args.output, args.vae, tokenizer, average[0], average[1], cache["scaling_factor"])
        figures = {
            "steps": step,
            "batch": args.batch,
            "seconds": round(seconds),
            "loss": float(np.mean(running[-500:])),
        }
        (args.output / "training.json").write_text(json.dumps(figures) + "\n")

    bar = tqdm(total=args.steps, initial=step, desc="training", unit=" steps", disable=None)
    while step < args.steps and time.monotonic() - start < args.minutes * 60 and not stop:
        left = args.steps - step
        rate = args.learning_rate * min(1.0, (step + 1) / 100) * min(1.0, left / max(1, decay_steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        latents, ids, weight, noise, timesteps = examples.batch(step, args.batch)
        noisy = schedule.add_noise(latents, noise, timesteps)
        target = schedule.get_velocity(latents, noise, timesteps)
        hidden = text(ids).last_hidden_state
        with precision:
            output = unet(noisy, timesteps, hidden, return_dict=False)[0]
        loss = (weight * (output.float() - target).square()).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
        optimizer.step()
        running.append(loss.item())
        step += 1
        bar.update()
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(pair.parameters()), 1 - decay)
        seconds = begun + time.monotonic() - start
        if step % 100 == 0:
            tqdm.write(
                f"step {step} loss {np.mean(running[-100:]):.4f} {step * args.batch} samples {seconds:.0f}s",
                file=sys.stderr,
            )
        if time.monotonic() - last > args.save_every * 60:
            last = time.monotonic()
            save()
    save()


if __name__ == "__main__":
    main()
