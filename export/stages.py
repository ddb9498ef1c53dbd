"""Cuts a UNet into the stages of docs/bundle.md, so that a device that cannot hold it whole runs it part by part.

A ResNet block makes two stages, each of which ends on a convolution, and a transformer three: self-attention,
cross-attention (which alone has K and V), feed-forward. A stage is a function of named tensors; a tensor that several
stages read, such as a skip connection, gets the sum of their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, cat, nn

from export.methods import Function
from models.kv_boundary import BoundaryProcessor, KVBoundaryUNet, UnsupportedModelError


@dataclass(frozen=True)
class Stage:
    """A part of the UNet: a function of the tensors `inputs`, which makes the tensors `outputs`."""

    name: str
    function: Function
    inputs: list[str]
    outputs: list[str]


def unet_stages(boundary: KVBoundaryUNet) -> list[Stage]:
    """The stages in the order they run, from x_t, t, K0, V0, … to model_output. They share `boundary`'s modules.

    Raises UnsupportedModelError where a block is not as in Stable Diffusion 1.x and 2.x.
    """
    return _Cut(boundary).stages


def carries_gradient(stages: Sequence[Stage]) -> set[str]:
    """The tensors that depend on some K or V, and those: all whose gradient a training step needs."""
    needed = {name for stage in stages for name in stage.inputs if name[0] in "KV"}
    for stage in stages:
        if needed.intersection(stage.inputs):
            needed.update(stage.outputs)
    return needed


class _Cut:
    """Walks the UNet as `UNet2DConditionModel.forward` does and notes a stage at each step."""

    def __init__(self, boundary: KVBoundaryUNet) -> None:
        self.unet: UNet2DConditionModel = boundary.unet
        self.layer_index = {layer.name: i for i, layer in enumerate(boundary.layers)}
        self.stages: list[Stage] = []
        self.tensors = 0
        self._walk()

    def _add(self, name: str, function: Function, *inputs: str, output: str | None = None) -> str:
        if output is None:
            output = f"h{self.tensors}"
            self.tensors += 1
        # Without a mid block, the first up block's hidden state is its skip connection as well: one input, read twice.
        distinct = list(dict.fromkeys(inputs))
        reads = [distinct.index(name) for name in inputs]
        whole = function if len(distinct) == len(inputs) else lambda *given: function(*(given[i] for i in reads))
        self.stages.append(Stage(name, whole, distinct, [output]))
        return output

    def _walk(self) -> None:
        unet = self.unet
        self.stages.append(Stage("conv_in", self._begin, ["x_t", "t"], ["conv_in", "temb"]))
        hidden = "conv_in"
        skips = [hidden]
        for i, block in enumerate(unet.down_blocks):
            prefix = f"down_blocks.{i}"
            for j, resnet in enumerate(block.resnets):
                hidden = self._resnet(f"{prefix}.resnets.{j}", resnet, hidden)
                hidden = self._attention(f"{prefix}.attentions.{j}", block, j, hidden)
                skips.append(hidden)
            for j, downsampler in enumerate(block.downsamplers or ()):
                hidden = self._add(f"{prefix}.downsamplers.{j}", _single(downsampler), hidden)
                skips.append(hidden)
        if unet.mid_block is not None:
            hidden = self._resnet("mid_block.resnets.0", unet.mid_block.resnets[0], hidden)
            for j, resnet in enumerate(unet.mid_block.resnets[1:]):
                hidden = self._attention(f"mid_block.attentions.{j}", unet.mid_block, j, hidden)
                hidden = self._resnet(f"mid_block.resnets.{j + 1}", resnet, hidden)
        for i, block in enumerate(unet.up_blocks):
            prefix = f"up_blocks.{i}"
            for j, resnet in enumerate(block.resnets):
                hidden = self._resnet(f"{prefix}.resnets.{j}", resnet, hidden, skips.pop())
                hidden = self._attention(f"{prefix}.attentions.{j}", block, j, hidden)
            for j, upsampler in enumerate(block.upsamplers or ()):
                hidden = self._add(f"{prefix}.upsamplers.{j}", _single(upsampler), hidden)
        self._add("conv_out", self._end, hidden, output="model_output")

    def _begin(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        return self.unet.conv_in(x_t), self.unet.time_embedding(self.unet.time_proj(t))

    def _end(self, hidden: Tensor) -> tuple[Tensor, ...]:
        return (self.unet.conv_out(self.unet.conv_act(self.unet.conv_norm_out(hidden))),)

    def _resnet(self, name: str, resnet: ResnetBlock2D, *inputs: str) -> str:
        """`inputs`: hidden, or hidden and the skip connection that is joined to it."""
        if resnet.up or resnet.down or resnet.output_scale_factor != 1 or resnet.time_embedding_norm != "default":
            raise UnsupportedModelError(f"{name} is not a ResNet block as in Stable Diffusion 1.x or 2.x")

        def first(temb: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            shift = resnet.time_emb_proj(resnet.nonlinearity(temb))[:, :, None, None]
            return (resnet.conv1(resnet.nonlinearity(resnet.norm1(_joined(parts)))) + shift,)

        def second(middle: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            hidden = resnet.conv2(resnet.nonlinearity(resnet.norm2(middle)))
            residual = _joined(parts)
            return (hidden + (residual if resnet.conv_shortcut is None else resnet.conv_shortcut(residual)),)

        middle = self._add(f"{name}.1", first, "temb", *inputs)
        return self._add(f"{name}.2", second, middle, *inputs)

    def _attention(self, name: str, block: nn.Module, index: int, hidden: str) -> str:
        """The transformer beside ResNet block `index`; a block without cross-attention passes `hidden` on."""
        if not hasattr(block, "attentions"):
            return hidden
        model: Transformer2DModel = block.attentions[index]
        image, tokens = hidden, hidden
        last = len(model.transformer_blocks) - 1
        for i, layer in enumerate(model.transformer_blocks):
            prefix = f"{name}.transformer_blocks.{i}"
            number = self.layer_index[f"{prefix}.attn2"]
            enter = _entrance(model) if i == 0 else None
            tokens = self._add(f"{prefix}.attn1", _self_attention(layer, enter), tokens)
            tokens = self._add(f"{prefix}.attn2", _cross_attention(layer), tokens, f"K{number}", f"V{number}")
            if i < last:
                tokens = self._add(f"{prefix}.ff", _feed_forward(layer), tokens)
            else:
                tokens = self._add(f"{prefix}.ff", _feed_forward(layer, model), tokens, image)
        return tokens


def _joined(parts: tuple[Tensor, ...]) -> Tensor:
    return parts[0] if len(parts) == 1 else cat(parts, 1)


def _single(module: nn.Module) -> Function:
    return lambda hidden: (module(hidden),)


def _to_tokens(image: Tensor) -> Tensor:
    """(B,C,H,W) → (B,HW,C)."""
    return image.permute(0, 2, 3, 1).reshape(image.shape[0], -1, image.shape[1])


def _entrance(model: Transformer2DModel) -> Callable[[Tensor], Tensor]:
    def enter(image: Tensor) -> Tensor:
        hidden = model.norm(image)
        if model.use_linear_projection:
            return model.proj_in(_to_tokens(hidden))
        return _to_tokens(model.proj_in(hidden))

    return enter


def _leave(model: Transformer2DModel, tokens: Tensor, image: Tensor) -> Tensor:
    def to_image(x: Tensor) -> Tensor:
        batch, _, height, width = image.shape
        return x.reshape(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()

    if model.use_linear_projection:
        return to_image(model.proj_out(tokens)) + image
    return model.proj_out(to_image(tokens)) + image


def _self_attention(layer: BasicTransformerBlock, enter: Callable[[Tensor], Tensor] | None) -> Function:
    def function(hidden: Tensor) -> tuple[Tensor, ...]:
        tokens = hidden if enter is None else enter(hidden)
        return (tokens + layer.attn1(layer.norm1(tokens)),)

    return function


def _cross_attention(layer: BasicTransformerBlock) -> Function:
    processor = layer.attn2.processor
    assert isinstance(processor, BoundaryProcessor)

    def function(tokens: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        processor.supplied = (key, value)
        try:
            return (tokens + layer.attn2(layer.norm2(tokens)),)
        finally:
            processor.supplied = None

    return function


def _feed_forward(layer: BasicTransformerBlock, model: Transformer2DModel | None = None) -> Function:
    """With `model`, the end of its transformer: back to an image and added to what came in."""

    def function(tokens: Tensor, *image: Tensor) -> tuple[Tensor, ...]:
        tokens = tokens + layer.ff(layer.norm3(tokens))
        return (tokens if model is None else _leave(model, tokens, image[0]),)

    return function
