"""A UNet with more transformer layers in a block, which begins where one with fewer is.

    python -m server_distill.default_model.deepen --pipeline models/default/student --layers 3 3 1 1

Keys and values are all that personalization trains, and what they can say is as wide as the cross-attentions that read
them (docs/personalization.md). Each new layer adds one of each kind at its block's width. It computes nothing yet: what
attention, cross-attention and feed-forward add is zero, as in Net2DeeperNet (Chen, Goodfellow & Shlens 2016, section
2.3) and LoRA. Of cross-attention it is the values that are zero, so that an adapter can use it as it is; its queries
and output projection are random, for copies would only say again what the layer before them says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file
from torch import Tensor

from models.whole_files import whole_files


def deepen(unet: UNet2DConditionModel, layers: Sequence[int], seed: int = 0) -> UNet2DConditionModel:
    """A UNet that computes what `unet` does, with `layers` transformer layers in each attention of a level.

    `layers` has one number a level, outermost first. Raises ValueError if a level would have fewer than it has.
    """
    layers = tuple(layers)
    if len(layers) != len(unet.down_blocks):
        raise ValueError(f"{len(unet.down_blocks)} levels need as many numbers of layers, not {layers}")
    config = {key: value for key, value in unet.config.items() if not key.startswith("_")}
    deep = UNet2DConditionModel(**{**config, "transformer_layers_per_block": layers})
    generator = torch.Generator().manual_seed(seed)
    for name, module in deep.named_modules():
        if isinstance(module, Transformer2DModel):
            source = unet.get_submodule(name)
            assert isinstance(source, Transformer2DModel)
            _deepen(source, module, generator)
    state = deep.state_dict()
    deep.load_state_dict({**state, **unet.state_dict()})
    return deep


def transformer_layers(unet: UNet2DConditionModel) -> tuple[int, ...]:
    """In each attention of a level, outermost first."""
    layers = unet.config.transformer_layers_per_block
    return (layers,) * len(unet.down_blocks) if isinstance(layers, int) else tuple(layers)


def _deepen(source: Transformer2DModel, target: Transformer2DModel, generator: torch.Generator) -> None:
    """Layers of `target` beyond those of `source` begin as the last of these, saying nothing."""
    have, want = len(source.transformer_blocks), len(target.transformer_blocks)
    if want < have:
        raise ValueError(f"a block of {have} transformer layers cannot become one of {want}")
    for layer in range(have, want):
        target.transformer_blocks[layer] = _silent(source.transformer_blocks[-1], generator)


@torch.no_grad()
def _silent(layer: BasicTransformerBlock, generator: torch.Generator) -> BasicTransformerBlock:
    new = deepcopy(layer)
    for projection in (new.attn1.to_out[0], new.ff.net[-1]):
        projection.weight.zero_()
        projection.bias.zero_()
    new.attn2.to_v.weight.zero_()
    new.attn2.to_out[0].bias.zero_()
    for projection in (new.attn2.to_q, new.attn2.to_k, new.attn2.to_out[0]):
        _shuffle(projection.weight, generator)
    return new


def _shuffle(weight: Tensor, generator: torch.Generator) -> None:
    """Random, with the distribution it had: as large as training has made it."""
    order = torch.randperm(weight.numel(), generator=generator)
    weight.copy_(weight.flatten()[order].view_as(weight))


def deepen_pipeline(folder: Path, layers: Sequence[int]) -> None:
    """Replace the UNet in a pipeline's folder by its deepened self, in the precision it has there."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32)
    precision = next(iter(load_file(folder / "unet" / SAFETENSORS_WEIGHTS_NAME).values())).dtype
    with whole_files(folder / "unet", last="config.json") as temporary:
        deepen(unet, layers).to(precision).save_pretrained(temporary)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, required=True, help="diffusers folder, whose unet is replaced")
    parser.add_argument("--layers", type=int, nargs="+", required=True, help="for each level, outermost first")
    args = parser.parse_args(arguments)
    try:
        deepen_pipeline(args.pipeline, args.layers)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
