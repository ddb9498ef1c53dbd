"""The core against eager PyTorch: train step, denoise step, memory; same work, same threads, same run.

    python -m server_distill.bench --bundle out/bundle --model models/default/student

Steps alternate, one of the core's, one of PyTorch's, so that a machine whose speed drifts slows both alike; medians and
the median of pairwise ratios are reported. A train step is all of it, as the bundle recommends it: text encoder forward
and backward, K/V projection, UNet forward and backward, the optimizer (but PyTorch's Muon moves in no metric). Memory
is measured in a process each: peak resident set beyond what is there after the imports. Writes report.json
(milliseconds, megabytes, ratios core/eager) and report.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

GOAL = 0.9


def resident_mb(field: str) -> float:
    """VmRSS or VmHWM (peak) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def eager_train_step(model: Path, batch: int, threads: int, training: dict[str, Any]) -> Callable[[], None]:
    """One whole step in stock modules: K/V matrices and two modifier embeddings train, all else is frozen.

    `training`: the bundle's recommended settings.
    """
    import torch
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    from server_distill.training.optimizers import make_optimizer

    torch.set_num_threads(threads)
    unet = UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32).requires_grad_(False)
    text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).requires_grad_(False)
    trained = [p.requires_grad_() for n, p in unet.named_parameters() if "attn2.to_k" in n or "attn2.to_v" in n]
    table = text.get_input_embeddings().weight.requires_grad_()
    groups = [{"params": trained}, {"params": [table], "elementwise": True}]
    optimizer = make_optimizer(training.get("optimizer", "adamw"), groups, 1e-6)
    side, channels, length = unet.config.sample_size, unet.config.in_channels, text.config.max_position_embeddings
    x, target = torch.randn(2, batch, channels, side, side)
    timesteps = torch.randint(1000, (batch,))
    # As the core does: the prior's captions hold no modifier token, so their text states are computed once.
    prior_rows = batch // 2 if training.get("prior_loss_weight", 1.0) > 0 else 0
    ids = torch.randint(text.config.vocab_size, (batch - prior_rows, length))
    prior = torch.randn(prior_rows, length, text.config.hidden_size)

    def step() -> None:
        optimizer.zero_grad()
        hidden = torch.cat([text(ids).last_hidden_state, prior])
        output = unet(x, timesteps, hidden, return_dict=False)[0]
        (output - target).square().mean().backward()
        torch.nn.utils.clip_grad_norm_([*trained, table], 1.0)
        optimizer.step()

    return step


def eager_denoise_step(model: Path, batch: int, threads: int) -> Callable[[], None]:
    """One call of the UNet without gradients."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.set_num_threads(threads)
    unet = UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32).eval()
    side = unet.config.sample_size
    x, t = torch.randn(batch, unet.config.in_channels, side, side), torch.full((batch,), 321)
    hidden = torch.randn(batch, 24, unet.config.cross_attention_dim)

    def step() -> None:
        with torch.no_grad():
            unet(x, t, hidden, return_dict=False)

    return step


class Alternation:
    """Times the core's steps by their callbacks, and runs and times one eager step inside each."""

    def __init__(self, eager: Callable[[], None] | None, warm: int = 3) -> None:
        self.eager, self.warm = eager, warm
        self.core_times: list[float] = []
        self.eager_times: list[float] = []
        self.resumed: float | None = None

    def __call__(self) -> None:
        now = time.perf_counter()
        if self.resumed is not None:
            self.core_times.append(now - self.resumed)
        if self.eager:
            begun = time.perf_counter()
            self.eager()
            self.eager_times.append(time.perf_counter() - begun)
        self.resumed = time.perf_counter()

    def figures(self, name: str) -> dict[str, float]:
        core = np.array(self.core_times[self.warm :])
        eager = np.array(self.eager_times[self.warm : self.warm + len(core)])
        return {
            f"{name}_core_ms": round(float(np.median(core)) * 1e3, 2),
            f"{name}_eager_ms": round(float(np.median(eager)) * 1e3, 2),
            f"{name}_ratio": round(float(np.median(core / eager)), 3),
            f"{name}_steps": len(core),
        }


def run_core(
    bundle: Path, threads: int, steps: int, tick_train: Callable[[], None], tick_denoise: Callable[[], None]
) -> None:
    """`steps` train steps on noise for photos, then `steps` denoise steps, calling back after each."""
    from device_runtime import Engine, Session

    def on_train(progress: Any) -> None:
        if progress.phase == "training":
            tick_train()

    with Engine(bundle, threads=threads) as engine:
        settings = engine.train_settings(class_name="dog", token="<bench>", steps=steps, views=4)
        with Session.create(engine, settings) as session:
            session.add_photo(np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8))
            session.run(on_train)
        engine.generate("a photo of a dog", steps=steps, progress=lambda _done, _total: tick_denoise())


def memory_of(side: str, bundle: Path, model: Path, threads: int, manifest: dict[str, Any]) -> float:
    """Peak resident megabytes beyond the imports: a few train steps of one side."""
    if side == "core":
        import device_runtime  # noqa: F401

        base = resident_mb("VmRSS")
        run_core(bundle, threads, 3, lambda: None, lambda: None)
    else:
        import diffusers  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401

        base = resident_mb("VmRSS")
        step = eager_train_step(model, manifest["batch"]["train"], threads, manifest["recommended"]["training"])
        for _ in range(3):
            step()
    return resident_mb("VmHWM") - base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("out/bundle"))
    parser.add_argument("--model", type=Path, default=Path("models/default/student"))
    parser.add_argument("--output", type=Path, default=Path("out/bench"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-of", choices=["core", "eager"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not (args.bundle / "manifest.json").exists():
        parser.error(f"{args.bundle} is not a bundle: run `make export` first")
    manifest = json.loads((args.bundle / "manifest.json").read_text())
    batch, training = manifest["batch"], manifest["recommended"]["training"]
    if args.memory_of:
        print(memory_of(args.memory_of, args.bundle, args.model, args.threads, manifest))
        return
    train = Alternation(eager_train_step(args.model, batch["train"], args.threads, training))
    denoise = Alternation(eager_denoise_step(args.model, batch["denoise"], args.threads))
    run_core(args.bundle, args.threads, args.steps, train, denoise)
    report: dict[str, float] = {
        "threads": args.threads,
        **train.figures("train_step"),
        **denoise.figures("denoise_step"),
    }
    for side in ("core", "eager"):
        command = [
            sys.executable,
            "-m",
            "server_distill.bench",
            "--memory-of",
            side,
            "--bundle",
            str(args.bundle),
            "--model",
            str(args.model),
            "--threads",
            str(args.threads),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        report[f"memory_{side}_mb"] = round(float(done.stdout.split()[-1]), 1)
    report["memory_ratio"] = round(report["memory_core_mb"] / report["memory_eager_mb"], 3)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    lines = ["| | core | eager PyTorch | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    for name, unit in (("train_step", "ms"), ("denoise_step", "ms"), ("memory", "mb")):
        core, eager, ratio = report[f"{name}_core_{unit}"], report[f"{name}_eager_{unit}"], report[f"{name}_ratio"]
        lines.append(f"| {name} ({unit}) | {core} | {eager} | {ratio} | {f'≤ {GOAL}' if unit == 'ms' else ''} |")
    (args.output / "report.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
