"""Whether a manifest agrees with itself (docs/bundle.md), without opening any other file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from models.manifest import (
    BACKENDS,
    DTYPES,
    FILE_NAME,
    PACKAGE_SUFFIX,
    PLAIN_METHODS,
    PREDICTION_TYPES,
    STAGED_METHODS,
    TRAIN_PRECISIONS,
    BundleError,
    Manifest,
    Program,
    TensorSpec,
    check_path,
    program_files,
)

MAX_ELEMENTS = 2**31
"""No tensor that crosses a program's boundary comes near this; more is damage."""


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise BundleError(f"{FILE_NAME}: {problem}")


def check_consistency(manifest: Manifest) -> None:
    _check_numbers(manifest)
    _check_tensors(manifest)
    _check_methods(manifest)
    _check_adapters(manifest)
    _check_prior(manifest)
    _check_files(manifest)


def _check_numbers(m: Manifest) -> None:
    for name, value, known in (
        ("backend", m.backend, BACKENDS),
        ("train_precision", m.train_precision, TRAIN_PRECISIONS),
    ):
        _require(value in known, f"{name} {value!r} is none of {', '.join(known)}")
    sizes = {
        "image": (m.image.size, m.image.vae_scale_factor, m.image.latent_channels, m.image.latent_size),
        "batch": (m.batch.text, m.batch.train, m.batch.denoise, m.batch.image),
        "text": (m.text.max_length, m.text.hidden_size, m.text.vocab_size, m.text.max_modifier_tokens),
        "layers": tuple(layer.channels for layer in m.layers),
    }
    for name, values in sizes.items():
        _require(all(0 < value < MAX_ELEMENTS for value in values), f"{name}: a size is not positive")
    _require(
        m.image.latent_size * m.image.vae_scale_factor == m.image.size,
        "image.size is not latent_size × vae_scale_factor",
    )
    _require(m.image.scaling_factor > 0, "image.scaling_factor is not positive")
    for name in ("bos_id", "eos_id", "pad_id"):
        _require(0 <= getattr(m.text, name) < m.text.vocab_size, f"text.{name} is not in the vocabulary")
    _require(
        m.noise.prediction_type in PREDICTION_TYPES,
        f"noise.prediction_type {m.noise.prediction_type!r} is none of {', '.join(PREDICTION_TYPES)}",
    )
    _require(bool(m.noise.betas), "noise.betas is empty")
    _require(all(0 < beta < 1 for beta in m.noise.betas), "noise.betas: a beta is not between 0 and 1")
    names = [layer.name for layer in m.layers]
    _require(bool(names), "layers is empty")
    _require(len(set(names)) == len(names), "layers: a name occurs twice")
    _require(
        re.fullmatch("[0-9a-f]{64}", m.model.weights_sha256) is not None,
        "model.weights_sha256 is not 64 hexadecimal digits",
    )


def _check_tensors(m: Manifest) -> None:
    for name, tensor in m.tensors.items():
        _require(tensor.dtype in DTYPES, f"tensors.{name}: dtype {tensor.dtype!r}")
        elements = 1
        for size in tensor.shape:
            _require(size > 0, f"tensors.{name}: a dimension is not positive")
            elements *= size
        _require(elements < MAX_ELEMENTS, f"tensors.{name} is impossibly large")


def _spec(m: Manifest, name: str) -> TensorSpec | None:
    """What the tensor `name` is: a gradient `d:X` that is not listed itself is as X."""
    return m.tensors.get(name) or m.tensors.get(name.removeprefix("d:"))


def _check_program(m: Manifest, where: str, program: Program) -> None:
    check_path(program.program)
    _require(
        bool(program_files(m, program.program)),
        f"{where}: {program.program} is not in files, and is no {PACKAGE_SUFFIX} folder with a file in it",
    )
    _require(
        re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", program.function) is not None,
        f"{where}: function {program.function!r} is not a name of letters, digits and underscores",
    )
    for name in (*program.inputs, *program.outputs):
        _require(_spec(m, name) is not None, f"{where}: tensor {name!r} is not in tensors")
    _require(len(set(program.outputs)) == len(program.outputs), f"{where}: an output occurs twice")


def _check_methods(m: Manifest) -> None:
    vjps = [name for a in m.adapters.values() for name in (a.project_kv, a.project_kv_vjp)]
    for name in (*PLAIN_METHODS, *STAGED_METHODS, *vjps):
        _require(name in m.methods, f"method {name!r} is missing")
    for name, method in m.methods.items():
        _require(bool(method.stages), f"methods.{name} has no stages")
        if name not in STAGED_METHODS:
            _require(len(method.stages) == 1, f"methods.{name} has more than one stage")
        for i, stage in enumerate(method.stages):
            where = f"methods.{name}.stages[{i}]"
            for program in (stage.forward, stage.backward):
                if program is not None:
                    _check_program(m, where, program)
            last_of_training = name == "train_step" and i == len(method.stages) - 1
            if last_of_training:
                _require(stage.backward is not None, f"{where} has no backward")
                _require(stage.forward is None, f"{where} is the last and has a forward")
            else:
                _require(stage.forward is not None, f"{where} has no forward")
    for name, method in m.methods.items():
        if len(method.stages) == 1:
            _check_signature(m, name)


def _check_signature(m: Manifest, name: str) -> None:
    """Number, shapes and dtypes of a one-stage method's inputs and outputs, as docs/bundle.md has them."""
    expected = expected_shapes(m).get(name)
    if expected is None:
        return
    stage = m.methods[name].stages[0]
    program = stage.forward or stage.backward
    assert program is not None
    for kind, names, shapes in (
        ("inputs", program.inputs, expected[0]),
        ("outputs", program.outputs, expected[1]),
    ):
        _require(len(names) == len(shapes), f"methods.{name} has {len(names)} {kind}, not {len(shapes)}")
        for tensor, shape in zip(names, shapes, strict=True):
            spec = _spec(m, tensor)
            assert spec is not None
            dtype = "int64" if tensor == program.inputs[0] and name.startswith("encode_text") else "float32"
            _require(
                spec.shape == list(shape) and spec.dtype == dtype,
                f"methods.{name}: {tensor} is {spec.dtype} {spec.shape}, not {dtype} {list(shape)}",
            )


Shapes = list[tuple[int, ...]]


def expected_shapes(m: Manifest) -> dict[str, tuple[Shapes, Shapes]]:
    """Method → (shapes of its inputs, shapes of its outputs), as docs/bundle.md has them."""
    image, text, batch = m.image, m.text, m.batch
    c, s, n, d = image.latent_channels, image.latent_size, text.max_length, text.hidden_size

    def latents(b: int) -> tuple[int, ...]:
        return (b, c, s, s)

    def keys_values(b: int) -> Shapes:
        return [(b, n, layer.channels) for layer in m.layers for _ in range(2)]

    pixels = (batch.image, 3, image.size, image.size)
    ids, hidden = (batch.text, n), (batch.text, n, d)
    modifiers = (text.max_modifier_tokens, d)
    train = batch.train
    out: dict[str, tuple[Shapes, Shapes]] = {
        "encode_image": ([pixels], [latents(batch.image)] * 2),
        "decode_latents": ([latents(batch.image)], [pixels]),
        "encode_text": ([ids, modifiers], [hidden]),
        "encode_text_vjp": ([ids, modifiers, hidden], [modifiers]),
        "denoise": (
            [latents(batch.denoise), (batch.denoise,), *keys_values(batch.denoise)],
            [latents(batch.denoise)],
        ),
        "train_step": (
            [latents(train), (train,), *keys_values(train), latents(train), (train, 1, s, s)],
            [(train,), *keys_values(train)],
        ),
    }
    for adapter in m.adapters.values():
        tensors = [tuple(tensor.shape) for tensor in adapter.tensors]
        kv = keys_values(batch.text)
        out[adapter.project_kv] = ([hidden, *tensors], kv)
        out[adapter.project_kv_vjp] = ([hidden, *tensors, *kv], [hidden, *tensors])
    return out


def _check_adapters(m: Manifest) -> None:
    for kind, adapter in m.adapters.items():
        _require(adapter.rank is None or adapter.rank > 0, f"adapters.{kind}.rank is not positive")
        names = [tensor.name for tensor in adapter.tensors]
        _require(bool(names), f"adapters.{kind} has no tensors")
        _require(len(set(names)) == len(names), f"adapters.{kind}: a tensor's name occurs twice")


def _check_prior(m: Manifest) -> None:
    for name, entry in m.prior.classes.items():
        _require(bool(entry.latents), f"prior.classes.{name} has no latents")
        _require(
            len(entry.latents) == len(entry.captions),
            f"prior.classes.{name} has {len(entry.latents)} latents but {len(entry.captions)} captions",
        )
        _require(all(row >= 0 for row in entry.latents), f"prior.classes.{name}: a row is negative")


def _named_files(m: Manifest) -> Iterable[str]:
    yield from (m.text.vocab, m.text.merges, m.text.token_embeddings, m.prior.file)
    yield from (adapter.initial for adapter in m.adapters.values())


def _check_files(m: Manifest) -> None:
    for path, entry in m.files.items():
        check_path(path)
        _require(entry.size >= 0, f"files.{path}: negative size")
        _require(
            re.fullmatch("[0-9a-f]{64}", entry.sha256) is not None,
            f"files.{path}: sha256 is not 64 hexadecimal digits",
        )
    for path in _named_files(m):
        check_path(path)
        _require(path in m.files, f"{path} is named but not in files")
