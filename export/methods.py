"""Every method of the contract (docs/bundle.md) as a traceable function of tensors, with names and example inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from export import functional_ops as ops
from export.exportable import make_exportable
from export.joint_graph import vjp
from export.pipeline import Pipeline
from models.adapter import AdapterSpec, adapter_spec, base_weights, project_kv
from models.kv_boundary import AttentionProcessor, KVBoundaryUNet, cross_attention_layers
from models.manifest import Batch
from models.text_boundary import TextBoundary

Function = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Method:
    """A function, the names of its inputs and outputs in the manifest, and inputs of the right shape (seeded)."""

    name: str
    function: Function
    inputs: list[str]
    outputs: list[str]
    example: Callable[[int], list[Tensor]]


@dataclass(frozen=True)
class Options:
    """What the caller chooses. `staged`: denoise and train_step are cut in stages; `forms`: how layers are written."""

    batch: Batch
    max_modifier_tokens: int
    lora_rank: int
    staged: bool = False
    forms: ops.Forms = ops.XNNPACK


def keys_values_names(count: int, batch: str, prefix: str = "") -> list[str]:
    return [f"{prefix}{which}{i}.{batch}" for i in range(count) for which in ("K", "V")]


def random_tensors(seed: int, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator) for shape in shapes]


def image_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    vae = _exportable_autoencoder(pipeline.vae, options.forms)
    b, size = options.batch.image, pipeline.image_size
    latents = (b, pipeline.vae.config.latent_channels, pipeline.latent_size, pipeline.latent_size)

    def encode_image(pixels: Tensor) -> tuple[Tensor, ...]:
        moments = vae.encoder(pixels)
        if vae.quant_conv is not None:
            moments = vae.quant_conv(moments)
        mean, log_variance = moments.chunk(2, 1)
        return mean, log_variance.clamp(-30.0, 20.0)

    def decode_latents(latents: Tensor) -> tuple[Tensor, ...]:
        if vae.post_quant_conv is not None:
            latents = vae.post_quant_conv(latents)
        return (vae.decoder(latents),)

    yield Method(
        "encode_image",
        encode_image,
        ["pixels"],
        ["latent_mean", "latent_log_variance"],
        lambda seed: [random_tensors(seed, [(b, 3, size, size)])[0].tanh()],
    )
    yield Method(
        "decode_latents", decode_latents, ["latents"], ["pixels"], lambda seed: random_tensors(seed, [latents])
    )


def _exportable_autoencoder(vae: AutoencoderKL, forms: ops.Forms) -> AutoencoderKL:
    from copy import deepcopy

    copied = deepcopy(vae, {id(x): x for x in (*vae.parameters(), *vae.buffers())})
    copied.set_attn_processor(AttentionProcessor(forms.attend))
    return make_exportable(copied, forms)  # type: ignore[return-value]


def text_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    model = make_exportable(TextBoundary(pipeline.text_encoder, options.forms.attend), options.forms)
    b, m = options.batch.text, options.max_modifier_tokens
    config = pipeline.text_encoder.config
    n, d, vocab = pipeline.max_length, config.hidden_size, config.vocab_size

    def example(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(vocab, (b, n), generator=generator)
        for row in range(b):
            ids[row, 1 + row % (n - 1)] = vocab + row % m
            ids[row, (3 + row) % n] = vocab + (row + 1) % m
        return [ids, torch.randn((m, d), generator=generator)]

    yield Method(
        "encode_text",
        lambda ids, modifiers: (model(ids, modifiers),),
        ["token_ids", "modifier_embeddings"],
        ["hidden"],
        example,
    )
    yield Method(
        "encode_text_vjp",
        lambda ids, modifiers, grad: vjp(lambda x: model(ids, x), [modifiers], [0], [grad]),
        ["token_ids", "modifier_embeddings", "d:hidden"],
        ["d:modifier_embeddings"],
        lambda seed: [*example(seed), *random_tensors(seed + 1, [(b, n, d)])],
    )


def adapter_specs(pipeline: Pipeline, options: Options) -> list[AdapterSpec]:
    return [
        adapter_spec(pipeline.unet, "full"),
        adapter_spec(pipeline.unet, "lora", options.lora_rank),
    ]


def adapter_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    base = base_weights(pipeline.unet)
    b, n, d = options.batch.text, pipeline.max_length, pipeline.text_encoder.config.hidden_size
    for spec in adapter_specs(pipeline, options):
        shapes = spec.tensor_shapes()
        kv_shapes = [(b, n, layer.channels) for layer in spec.layers for _ in range(2)]
        inputs = ["hidden", *shapes]

        def example(seed: int, shapes: dict[str, tuple[int, int]] = shapes) -> list[Tensor]:
            hidden, *tensors = random_tensors(seed, [(b, n, d), *shapes.values()])
            return [hidden, *(tensor * tensor.shape[1] ** -0.5 for tensor in tensors)]

        def project(hidden: Tensor, *tensors: Tensor, spec: AdapterSpec = spec) -> tuple[Tensor, ...]:
            return tuple(project_kv(spec, base, hidden, tensors))

        def project_vjp(*args: Tensor, count: int = len(inputs), project: Function = project) -> tuple[Tensor, ...]:
            return vjp(project, args[:count], range(count), args[count:])

        def vjp_example(
            seed: int,
            example: Callable[[int], list[Tensor]] = example,
            kv_shapes: list[tuple[int, int, int]] = kv_shapes,
        ) -> list[Tensor]:
            return [*example(seed), *random_tensors(seed + 1, kv_shapes)]

        count = len(spec.layers)
        yield Method(f"project_kv.{spec.kind}", project, inputs, keys_values_names(count, "text"), example)
        yield Method(
            f"project_kv_vjp.{spec.kind}",
            project_vjp,
            [*inputs, *keys_values_names(count, "text", "d:")],
            [f"d:{name}" for name in inputs],
            vjp_example,
        )


def squared_error(output: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Σ weight·(output − target)² of each row (B,), and its gradient by `output` (B,C,h,w). `weight` is (B,1,h,w)."""
    channels, height, width = output.shape[1:]
    error = output - target
    weighted = error * weight
    per_channel = ops.pixel_mean(weighted * error).reshape(-1, channels)
    total = torch.full((1, channels), float(height * width))
    return functional.linear(per_channel, total).reshape(-1), weighted * 2.0


def unet_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    layers = cross_attention_layers(pipeline.unet)
    unet = make_exportable(KVBoundaryUNet(pipeline.unet, options.forms.attend), options.forms)
    n, size = pipeline.max_length, pipeline.latent_size
    channels, count = pipeline.unet.config.in_channels, len(layers)
    steps = len(pipeline.betas)

    def example(seed: int, b: int) -> list[Tensor]:
        kv = [(b, n, layer.channels) for layer in layers for _ in range(2)]
        x_t, *keys_values = random_tensors(seed, [(b, channels, size, size), *kv])
        generator = torch.Generator().manual_seed(seed)
        return [x_t, torch.randint(steps, (b,), generator=generator).float(), *keys_values]

    def train_step(x_t: Tensor, t: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        *keys_values, target, weight = rest
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in keys_values]
            out = unet(x_t, t, *leaves)
            loss, d_out = squared_error(out.detach(), target, weight)
            return loss, *torch.autograd.grad(out, leaves, d_out)

    def train_example(seed: int) -> list[Tensor]:
        b = options.batch.train
        target, weight = random_tensors(seed + 1, [(b, channels, size, size), (b, 1, size, size)])
        return [*example(seed, b), target, weight.abs() / (channels * size * size)]

    yield Method(
        "denoise",
        lambda *args: (unet(*args),),
        ["x_t.denoise", "t.denoise", *keys_values_names(count, "denoise")],
        ["model_output.denoise"],
        lambda seed: example(seed, options.batch.denoise),
    )
    kv = keys_values_names(count, "train")
    yield Method(
        "train_step",
        train_step,
        ["x_t.train", "t.train", *kv, "target.train", "weight.train"],
        ["loss", *(f"d:{name}" for name in kv)],
        train_example,
    )


def all_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    """In the order docs/bundle.md lists them."""
    yield from image_methods(pipeline, options)
    yield from text_methods(pipeline, options)
    yield from adapter_methods(pipeline, options)
    yield from unet_methods(pipeline, options)
