"""Make one adapter of several, so that a prompt can name all their subjects: "a <my-cat> cat and a <my-dog> dog".

    python -m server_distill.merge_adapters my-cat.safetensors my-dog.safetensors \\
        --bundle out/bundle --model models/default/student --output both.safetensors

Nothing is trained. Custom Diffusion's constrained optimization (Kumari et al. 2023, section 3.2) finds, for every key
and value matrix, the one that does to each subject's words what that subject's own adapter does, and changes least
what the captions of the bundle's prior pack become. The adapters are full or lora, of one base model, with different
tokens; what comes out is full. `--model` is the pipeline folder that the bundle was exported from: its text encoder
says what the words are. `python -m device_runtime merge` does the same with the bundle alone, as a phone does.

Exit codes: 0 done, 1 failed (the message says why), 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from models import manifest as mf
from models.adapter import AdapterSpec
from models.adapter_file import AdapterFile, AdapterFileError, read, write
from models.kv_boundary import CrossAttentionLayer
from models.text_boundary import TextBoundary
from models.weights_hash import weights_sha256
from server_distill.personalization.constrained_update import (
    DependentTargetError,
    constrained_directions,
    constrained_weights,
)

END_SLACK = 0.1
"""The UNet looks at the end of the text and the padding after it as it does at words, and a causal text encoder's
states there have read the words. Custom Diffusion's own merging leaves padding out; the default model's subjects then
lose their colours. But those states say nearly the same of every subject, and asking exactly different things of them
costs the captions dear: near must be enough."""
MERGED_OF = "merged"


@dataclass(frozen=True)
class TextStates:
    """Text states of prompts by the pipeline's text encoder, with `tokens` and their embeddings (k,d) added."""

    boundary: TextBoundary
    tokenizer: CLIPTokenizer
    text: mf.Text
    tokens: Sequence[str]
    embeddings: Tensor

    def ids(self, prompt: str) -> list[int]:
        """Without start and end."""
        return list(self.tokenizer(prompt, add_special_tokens=False, truncation=False).input_ids)

    @torch.no_grad()
    def states(self, ids: Sequence[int]) -> Tensor:
        """(n − 1, d): of the ids, the end and padding. The start's is left out, which all prompts share."""
        padding = [self.text.pad_id] * (self.text.max_length - 2 - len(ids))
        whole = torch.tensor([[self.text.bos_id, *ids, self.text.eos_id, *padding]])
        return self.boundary(whole, self.embeddings)[0, 1:]

    def caption(self, caption: str) -> Tensor:
        """A caption that is too long is cut, as it is where it is trained on."""
        return self.states(self.ids(caption)[: self.text.max_length - 2])

    def subject(self, token: str, class_name: str) -> tuple[Tensor, Tensor]:
        """States of "a photo of a <token> class" from the token on, (rows, d), and their slack, (rows,).

        Those of the token and the class must be met; the end and padding follow.
        """
        words = f"{token} {class_name}".strip()
        ids, count = self.ids(f"a photo of a {words}"), len(self.ids(words))
        if len(ids) > self.text.max_length - 2:
            raise AdapterFileError(
                f"the class {class_name!r} makes a prompt of {len(ids)} tokens, this model reads "
                f"{self.text.max_length - 2}; shorten it"
            )
        rows = self.states(ids)[len(ids) - count :]
        return rows, torch.where(torch.arange(len(rows)) < count, 0.0, END_SLACK)


def with_tokens(tokenizer: CLIPTokenizer, tokens: Sequence[str]) -> CLIPTokenizer:
    """Adds the tokens, as ids from the vocabulary's size on. Raises AdapterFileError that names one that is taken."""
    size = len(tokenizer)
    for token in tokens:
        ids = tokenizer(token, add_special_tokens=False).input_ids
        if len(ids) == 1 and ids[0] >= size:  # as the tokenizer reads it: <Cat> is <cat>
            raise AdapterFileError(
                f"two of the adapters have the token {token!r}; train one of them again with another token"
            )
        if token in tokenizer.get_vocab() or tokenizer.add_tokens([token]) != 1:
            raise AdapterFileError(f"the modifier token {token!r} is already in use; choose another one")
    return tokenizer


def full_weights(adapter: AdapterFile, manifest: mf.Manifest, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The adapter's key and value matrices (C_i,d) by the names of `base`; a LoRA's are W0 + B·A. In float64.

    Raises ValueError for a kind or a tensor that the model has not.
    """
    layers = tuple(CrossAttentionLayer(layer.name, layer.channels) for layer in manifest.layers)
    expected = AdapterSpec(adapter.kind, adapter.rank, layers, manifest.text.hidden_size).tensor_shapes()
    actual = {name: tuple(tensor.shape) for name, tensor in adapter.tensors.items()}
    if wrong := sorted(name for name in expected | actual if expected.get(name) != actual.get(name)):
        raise AdapterFileError(f"its tensor {wrong[0]} is missing, unknown or of another shape")
    tensors = {name: tensor.double() for name, tensor in adapter.tensors.items()}
    if adapter.kind == "full":
        return tensors
    weights = {}
    for name, matrix in base.items():
        prefix = name.removesuffix(".weight")
        weights[name] = matrix.double() + tensors[f"{prefix}.lora_B.weight"] @ tensors[f"{prefix}.lora_A.weight"]
    return weights


def check(adapter: AdapterFile, manifest: mf.Manifest) -> None:
    """Raises AdapterFileError for an adapter that cannot be merged on this model."""
    if adapter.base_weights_sha256 != manifest.model.weights_sha256:
        raise AdapterFileError(
            f"it was trained on {adapter.base_model} ({adapter.base_weights_sha256[:12]}…), the bundle holds "
            f"{manifest.model.name} ({manifest.model.weights_sha256[:12]}…)"
        )
    if MERGED_OF in adapter.training:
        raise AdapterFileError("it is merged already; merge those that it was made of, all at once")
    if adapter.modifier_embeddings is None:
        raise AdapterFileError("it has no token; a prompt could not name its subject beside the others")
    if adapter.modifier_embeddings.shape[1:] != (manifest.text.hidden_size,):
        raise AdapterFileError(f"its modifier_embeddings have the shape {tuple(adapter.modifier_embeddings.shape)}")
    _check_finite(adapter.modifier_embeddings, "its tensor modifier_embeddings")


def _check_finite(tensor: Tensor, what: str) -> None:
    if not tensor.isfinite().all():
        raise AdapterFileError(f"{what} holds a value that is not finite; train again with a lower learning rate")


@dataclass(frozen=True)
class Ingredient:
    """An adapter that is merged: its matrices W_i, and its subjects' states, (rows, d) and slack a token."""

    weights: dict[str, Tensor]
    subjects: list[tuple[Tensor, Tensor]]


def merge(
    adapters: Sequence[tuple[str, AdapterFile]], manifest: mf.Manifest, base: Mapping[str, Tensor], model: Path
) -> AdapterFile:
    """One full adapter of several, each given with what messages call it; `base` holds the model's own matrices.

    Raises AdapterFileError that names the adapter or the token.
    """
    if len(adapters) < 2:
        raise AdapterFileError("merging takes two adapters or more")
    weights = []
    for name, adapter in adapters:
        try:
            check(adapter, manifest)
            weights.append(full_weights(adapter, manifest, base))
        except ValueError as error:
            raise AdapterFileError(f"{name}: {error}") from error
    text = _text_states([adapter for _, adapter in adapters], manifest, model)
    ingredients = [
        Ingredient(own, [text.subject(token, adapter.class_name) for token in adapter.modifier_tokens])
        for (_, adapter), own in zip(adapters, weights, strict=True)
    ]
    classes = {adapter.class_name for _, adapter in adapters}
    return AdapterFile(
        manifest.model.name,
        manifest.model.weights_sha256,
        "full",
        None,
        _merged_weights(ingredients, text, manifest, base),
        list(text.tokens),
        text.embeddings,
        classes.pop() if len(classes) == 1 else "",
        {MERGED_OF: [_origin(adapter) for _, adapter in adapters]},
    )


def _origin(adapter: AdapterFile) -> dict[str, Any]:
    names = ("modifier_tokens", "class_name", "training")
    return {name: getattr(adapter, name) for name in names}


def _text_states(adapters: Sequence[AdapterFile], manifest: mf.Manifest, model: Path) -> TextStates:
    """With the tokens of all. Raises AdapterFileError for a token that two have, and for too many."""
    tokens = [token for adapter in adapters for token in adapter.modifier_tokens]
    tokenizer = with_tokens(CLIPTokenizer.from_pretrained(model / "tokenizer"), tokens)
    most = manifest.text.max_modifier_tokens
    if len(tokens) > most:
        raise AdapterFileError(f"the adapters have {len(tokens)} tokens together, this model takes {most}; merge fewer")
    embeddings = torch.cat([a.modifier_embeddings for a in adapters if a.modifier_embeddings is not None])
    encoder = CLIPTextModel.from_pretrained(model / "text_encoder").float()
    return TextStates(TextBoundary(encoder), tokenizer, manifest.text, tokens, embeddings)


def _merged_weights(
    ingredients: Sequence[Ingredient], text: TextStates, manifest: mf.Manifest, base: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    gram = torch.zeros((manifest.text.hidden_size,) * 2, dtype=torch.float64)
    for prior in manifest.prior.classes.values():
        for caption in prior.captions:
            rows = text.caption(caption).double()
            gram += rows.T @ rows
    subjects = [subject for ingredient in ingredients for subject in ingredient.subjects]
    targets = torch.cat([rows for rows, _ in subjects]).double()
    _check_finite(targets, "a text state of the adapters' words")
    try:
        directions = constrained_directions(gram, targets, torch.cat([slack for _, slack in subjects]))
    except DependentTargetError as error:
        whose = [token for token, (rows, _) in zip(text.tokens, subjects, strict=True) for _ in rows]
        raise AdapterFileError(
            f"the words of {whose[error.row]!r} read to the model as others of these adapters do, so they cannot be "
            "told apart; train one again with a modifier_learning_rate above 0, or with another class_name"
        ) from error
    merged = {}
    for name, matrix in base.items():
        values = torch.cat([rows.double() @ part.weights[name].T for part in ingredients for rows, _ in part.subjects])
        merged[name] = constrained_weights(matrix, targets, values, directions).float()
        _check_finite(merged[name], f"the merged {name}")
    return merged


def check_model(model: Path, manifest: mf.Manifest) -> None:
    """Raises AdapterFileError unless the pipeline folder holds the bundle's weights."""
    parts = {"vae": AutoencoderKL, "text_encoder": CLIPTextModel, "unet": UNet2DConditionModel}
    for part in (*parts, "tokenizer"):
        if not (model / part).is_dir():
            raise AdapterFileError(f"{model} is no pipeline folder: it has no {part}/")
    actual = weights_sha256({part: kind.from_pretrained(model / part).float() for part, kind in parts.items()})
    if actual != manifest.model.weights_sha256:
        raise AdapterFileError(
            f"{model} has weights {actual[:12]}…, the bundle's model {manifest.model.name} has "
            f"{manifest.model.weights_sha256[:12]}…; name the folder that the bundle was exported from (--model)"
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapters", type=Path, nargs="+", metavar="FILE", help="adapter files, two or more")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle that they are for")
    parser.add_argument("--model", type=Path, default=Path("models/default/student"), metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="adapter file to write")
    args = parser.parse_args(arguments)
    transformers.utils.logging.disable_progress_bar()
    try:
        manifest = mf.read(args.bundle)
        adapters = [(str(path), read(path)) for path in args.adapters]
        check_model(args.model, manifest)
        base = load_file(args.bundle / manifest.adapters["full"].initial)
        write(args.output, merge(adapters, manifest, base, args.model))
    except (AdapterFileError, mf.BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
