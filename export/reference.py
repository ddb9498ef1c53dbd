"""What each method of a bundle should give, by the stock diffusers and transformers modules alone.

Nothing here uses the boundaries of `models` or `export.functional_ops`: K_i and V_i replace what the stock `to_k` and
`to_v` return through forward hooks, and modifier embeddings are rows of a longer token table.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from export.pipeline import Pipeline
from models.adapter import AdapterSpec
from models.kv_boundary import cross_attention_layers


@contextmanager
def supplied_keys_values(unet: nn.Module, names: Sequence[str], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Inside, `<name>.to_k` and `<name>.to_v` return the given tensors whatever they are called with."""
    handles = []
    for i, name in enumerate(names):
        for j, projection in enumerate(("to_k", "to_v")):
            tensor = tensors[2 * i + j]
            module = unet.get_submodule(f"{name}.{projection}")
            handles.append(module.register_forward_hook(lambda *_, tensor=tensor: tensor))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def extended_text_model(text_encoder: CLIPTextModel, modifiers: int) -> CLIPTextModel:
    """A copy of the stock text encoder with `modifiers` more rows in its token table."""
    extended = copy.deepcopy(text_encoder)
    extended.resize_token_embeddings(text_encoder.config.vocab_size + modifiers, mean_resizing=False)
    return extended.requires_grad_(False).eval()


class Reference:
    """`Reference(pipeline, specs).run(method, inputs)` → the method's outputs in order."""

    def __init__(self, pipeline: Pipeline, specs: Sequence[AdapterSpec], max_modifier_tokens: int) -> None:
        self.pipeline = pipeline
        self.unet = pipeline.unet.requires_grad_(False)
        self.names = [layer.name for layer in cross_attention_layers(self.unet)]
        self.specs = {spec.kind: spec for spec in specs}
        self.text = extended_text_model(pipeline.text_encoder, max_modifier_tokens)

    def run(self, method: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        name, _, kind = method.partition(".")
        run = getattr(self, name)
        return list(run(*inputs) if not kind else run(kind, *inputs))

    def encode_image(self, pixels: Tensor) -> list[Tensor]:
        with torch.no_grad():
            latents = self.pipeline.vae.encode(pixels).latent_dist
        return [latents.mean, latents.logvar]

    def decode_latents(self, latents: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return [self.pipeline.vae.decode(latents).sample]

    def _text(self, ids: Tensor, table: Tensor) -> Tensor:
        module = self.text.embeddings.token_embedding
        handle = module.register_forward_hook(lambda *_: functional.embedding(ids, table))
        try:
            return self.text(input_ids=ids).last_hidden_state
        finally:
            handle.remove()

    def _table(self, modifiers: Tensor) -> Tensor:
        return torch.cat([self.pipeline.text_encoder.embeddings.token_embedding.weight.detach(), modifiers])

    def encode_text(self, ids: Tensor, modifiers: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return [self._text(ids, self._table(modifiers))]

    def encode_text_vjp(self, ids: Tensor, modifiers: Tensor, grad: Tensor) -> list[Tensor]:
        leaf = modifiers.clone().requires_grad_()
        return list(torch.autograd.grad(self._text(ids, self._table(leaf)), leaf, grad))

    def project_kv(self, kind: str, hidden: Tensor, *tensors: Tensor) -> list[Tensor]:
        named = dict(zip(self.specs[kind].tensor_shapes(), tensors, strict=True))
        out = []
        for name in self.names:
            for projection in ("to_k", "to_v"):
                prefix = f"{name}.{projection}"
                weight = named.get(f"{prefix}.weight")
                if weight is None:
                    low, high = named[f"{prefix}.lora_A.weight"], named[f"{prefix}.lora_B.weight"]
                    weight = self.unet.get_parameter(f"{prefix}.weight") + high @ low
                out.append(hidden @ weight.t())
        return out

    def project_kv_vjp(self, kind: str, *inputs: Tensor) -> list[Tensor]:
        count = 1 + len(self.specs[kind].tensor_shapes())
        leaves = [x.clone().requires_grad_() for x in inputs[:count]]
        return list(torch.autograd.grad(self.project_kv(kind, *leaves), leaves, list(inputs[count:])))

    def _unet(self, x_t: Tensor, t: Tensor, keys_values: Sequence[Tensor]) -> Tensor:
        hidden = torch.zeros(x_t.shape[0], keys_values[0].shape[1], self.unet.config.cross_attention_dim)
        with supplied_keys_values(self.unet, self.names, keys_values):
            return self.unet(x_t, t, encoder_hidden_states=hidden).sample

    def denoise(self, x_t: Tensor, t: Tensor, *keys_values: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return [self._unet(x_t, t, keys_values)]

    def train_step(self, x_t: Tensor, t: Tensor, *rest: Tensor) -> list[Tensor]:
        *keys_values, target, weight = rest
        leaves = [x.clone().requires_grad_() for x in keys_values]
        error = self._unet(x_t, t, leaves) - target
        loss = (weight * error.square()).sum((1, 2, 3))
        return [loss.detach(), *torch.autograd.grad(loss.sum(), leaves)]
