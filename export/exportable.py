"""Replaces modules of a model by ones built from `export.functional_ops`: same weights, same function."""

from __future__ import annotations

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.embeddings import Timesteps, get_timestep_embedding
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN, GELUActivation, QuickGELUActivation

from export import functional_ops as ops
from models.kv_boundary import UnsupportedModelError

QUICK_GELU_BETA = 1.702


class ExportGroupNorm(nn.Module):
    def __init__(self, norm: nn.GroupNorm, deviation: ops.InverseDeviation) -> None:
        super().__init__()
        self.weight, self.bias, self.groups, self.eps = norm.weight, norm.bias, norm.num_groups, norm.eps
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        image = x if x.ndim == 4 else x.unsqueeze(-1)
        normal = ops.GroupNorm.apply(image, self.weight, self.bias, self.groups, self.eps, self.deviation)
        return normal.reshape(x.shape)


class ExportLayerNorm(nn.Module):
    def __init__(self, norm: nn.LayerNorm, mean: ops.Elementwise) -> None:
        super().__init__()
        self.weight, self.bias, self.eps, self.mean = norm.weight, norm.bias, norm.eps, mean

    def forward(self, x: Tensor) -> Tensor:
        return ops.LayerNorm.apply(x, self.weight, self.bias, self.eps, self.mean)


class ExportScaledSiLU(nn.Module):
    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return ops.ScaledSiLU.apply(x, self.beta)


class ExportGELU(nn.Module):
    def __init__(self, derivative: ops.Elementwise) -> None:
        super().__init__()
        self.derivative = derivative

    def forward(self, x: Tensor) -> Tensor:
        return ops.GELU.apply(x, self.derivative)


class ExportGEGLU(nn.Module):
    """Two products, value and gate, rather than one whose halves are cut apart and, in backward, joined again."""

    def __init__(self, geglu: GEGLU, derivative: ops.Elementwise) -> None:
        super().__init__()
        self.derivative = derivative
        self.weights = geglu.proj.weight.detach().chunk(2)
        bias = geglu.proj.bias
        self.biases = (None, None) if bias is None else bias.detach().chunk(2)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = (functional.linear(x, w, b) for w, b in zip(self.weights, self.biases, strict=True))
        return ops.GEGLU.apply(value, gate, self.derivative)


class ExportUpsample(nn.Module):
    """Nearest ×2 and a 3×3 convolution as one transposed convolution (see `upsampled_kernel`)."""

    def __init__(self, upsample: Upsample2D) -> None:
        super().__init__()
        conv = upsample.conv
        if upsample.use_conv_transpose or upsample.norm is not None or not isinstance(conv, nn.Conv2d):
            raise UnsupportedModelError("only an upsampler of nearest ×2 and a convolution is supported")
        if conv.kernel_size != (3, 3) or conv.padding != (1, 1) or conv.stride != (1, 1):
            raise UnsupportedModelError("only an upsampler with a 3×3 convolution is supported")
        self.kernel = ops.upsampled_kernel(conv.weight.detach())
        self.bias = conv.bias

    def forward(self, x: Tensor, output_size: int | None = None) -> Tensor:
        if output_size is not None:
            raise UnsupportedModelError("the latent size must be divisible by the UNet's downsampling")
        return functional.conv_transpose2d(x, self.kernel, self.bias, stride=2, padding=1)


class ExportTimesteps(nn.Module):
    """Sinusoidal embedding of t (B,) with its frequencies computed beforehand."""

    def __init__(self, timesteps: Timesteps) -> None:
        super().__init__()
        half = timesteps.num_channels // 2
        if timesteps.num_channels % 2:
            raise UnsupportedModelError("an odd number of time channels is not supported")
        # Reading them off the library's own function (t = 1, before the sine) keeps its rounding.
        exponent = -torch.log(torch.tensor(10000.0)) * torch.arange(half, dtype=torch.float32)
        self.frequencies = torch.exp(exponent / (half - timesteps.downscale_freq_shift))[None]
        self.flip = timesteps.flip_sin_to_cos
        self.scale = float(timesteps.scale)
        expected = get_timestep_embedding(
            torch.tensor([250.0]),
            timesteps.num_channels,
            flip_sin_to_cos=self.flip,
            downscale_freq_shift=timesteps.downscale_freq_shift,
            scale=self.scale,
        )
        if not torch.allclose(self(torch.tensor([250.0])), expected, atol=1e-4):
            raise UnsupportedModelError("this version of diffusers embeds timesteps in another way")

    def forward(self, t: Tensor) -> Tensor:
        angle = t.reshape(-1, 1) * self.frequencies
        if self.scale != 1:
            angle = angle * self.scale
        parts = (torch.cos(angle), torch.sin(angle)) if self.flip else (torch.sin(angle), torch.cos(angle))
        return torch.cat(parts, -1)


def replacement(module: nn.Module, forms: ops.Forms) -> nn.Module | None:
    """What stands in for `module` in an export, or None where it stays."""
    if isinstance(module, nn.GroupNorm):
        return ExportGroupNorm(module, forms.group_deviation)
    if isinstance(module, nn.LayerNorm):
        return ExportLayerNorm(module, forms.row_mean)
    if isinstance(module, nn.SiLU):
        return ExportScaledSiLU(1.0)
    if isinstance(module, QuickGELUActivation):
        return ExportScaledSiLU(QUICK_GELU_BETA)
    if isinstance(module, GELUActivation) or (isinstance(module, nn.GELU) and module.approximate == "none"):
        return ExportGELU(forms.gelu_derivative)
    if isinstance(module, GEGLU):
        return ExportGEGLU(module, forms.gelu_derivative)
    if isinstance(module, Upsample2D):
        return ExportUpsample(module)
    if isinstance(module, Timesteps):
        return ExportTimesteps(module)
    if type(module) in {type(function) for function in map(ACT2FN.__getitem__, ("gelu_new", "mish", "tanh"))}:
        raise UnsupportedModelError(f"activation {type(module).__name__} is not supported")
    return None


def make_exportable(model: nn.Module, forms: ops.Forms = ops.XNNPACK) -> nn.Module:
    """Replace modules inside `model`, in place; returns it. Tensors stay shared with whatever shared them."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            stand_in = replacement(child, forms)
            if stand_in is not None:
                setattr(parent, name, stand_in)
    return model.requires_grad_(False)
