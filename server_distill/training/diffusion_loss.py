"""The diffusion task itself: noisy input, target, and a weight a timestep."""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch import Tensor


def target(schedule: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the network should put out: ε, or v = √ᾱ·ε − √(1−ᾱ)·x (Salimans & Ho 2022). Raises ValueError for others."""
    kind = schedule.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        return schedule.get_velocity(latents, noise, timesteps)
    raise ValueError(f"prediction type {kind!r} is neither epsilon nor v_prediction")


def snr_weights(schedule: DDPMScheduler, timesteps: Tensor, gamma: float | None) -> Tensor:
    """min-SNR-γ loss weights (Hang et al. 2023, section 3.4), float32 (B,): min(SNR, γ)/SNR for ε, …/(SNR + 1) for v.

    At the last timesteps of a schedule with zero terminal SNR, where ε's weight would be 0/0, it is 1.
    """
    if gamma is None:
        return torch.ones(len(timesteps), device=timesteps.device)
    snr = compute_snr(schedule, timesteps).float()
    divisor = snr + 1 if schedule.config.prediction_type == "v_prediction" else snr
    return torch.where(divisor > 0, snr.clamp(max=gamma) / divisor.clamp_min(1e-20), torch.ones_like(snr))


def weighted_mse(output: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Mean over rows of each row's mean squared error (B, …) times its weight (B,)."""
    return ((output.float() - wanted.float()).square().flatten(1).mean(1) * weights).mean()
