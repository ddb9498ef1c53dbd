"""Convert an adapter to what diffusers and PEFT load, and back, without loss; or make it smaller.

    python -m server_distill.convert_adapter to-diffusers my-cat.safetensors my-cat/
    python -m server_distill.convert_adapter from-diffusers my-cat/ my-cat.safetensors
    python -m server_distill.convert_adapter to-peft my-cat-lora.safetensors my-cat-peft/
    python -m server_distill.convert_adapter compress my-cat.safetensors my-cat-lora.safetensors --bundle out/bundle

What lies in a folder:

    pytorch_custom_diffusion_weights.bin      kind full, for `unet.load_attn_procs`
    pytorch_lora_weights.safetensors          kind lora, for `pipeline.load_lora_weights`
    adapter_model.safetensors, …config.json   kind lora, for `PeftModel.from_pretrained` on the UNet (to-peft)
    learned_embeds_<i>.safetensors            one a token, for `pipeline.load_textual_inversion`
    likeness.json                             what the others have no place for: base model, class, settings

A folder that another tool wrote has no likeness.json: `--bundle` then says what model it is for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models import manifest as mf
from models.adapter_file import AdapterFile, AdapterFileError, from_parts, read, write

CUSTOM_DIFFUSION = "pytorch_custom_diffusion_weights"
DIFFUSERS_LORA = "pytorch_lora_weights.safetensors"
PEFT_LORA = "adapter_model.safetensors"
REST = "likeness.json"
PEFT_PREFIX, DIFFUSERS_PREFIX = "base_model.model.", "unet."


def to_diffusers(adapter: AdapterFile, folder: Path) -> None:
    """diffusers' Custom Diffusion weights, or its LoRA weights, by the adapter's kind."""
    folder.mkdir(parents=True, exist_ok=True)
    if adapter.kind == "full":
        weights: dict[str, object] = {}
        for name, tensor in adapter.tensors.items():
            layer, projection, _ = name.rsplit(".", 2)
            weights[f"{layer}.processor.{projection}_custom_diffusion.weight"] = tensor
            # diffusers wants a processor for every attention; self-attention's is empty, which safetensors can't hold.
            weights[f"{layer.removesuffix('attn2')}attn1.processor"] = {}
        torch.save(weights, folder / f"{CUSTOM_DIFFUSION}.bin")
    else:
        save_file(
            {f"{DIFFUSERS_PREFIX}{name}": tensor for name, tensor in adapter.tensors.items()}, folder / DIFFUSERS_LORA
        )
    _write_rest(adapter, folder)


def to_peft(adapter: AdapterFile, folder: Path) -> None:
    """A PEFT folder. Raises AdapterFileError unless the adapter is a LoRA."""
    if adapter.rank is None:
        raise AdapterFileError(f"PEFT holds low-rank adapters, this one's kind is {adapter.kind}: compress it first")
    modules = sorted({name.rsplit(".", 2)[0] for name in adapter.tensors})
    LoraConfig(r=adapter.rank, lora_alpha=adapter.rank, target_modules=modules).save_pretrained(str(folder))
    save_file({f"{PEFT_PREFIX}{name}": tensor for name, tensor in adapter.tensors.items()}, folder / PEFT_LORA)
    _write_rest(adapter, folder)


def _write_rest(adapter: AdapterFile, folder: Path) -> None:
    if adapter.modifier_embeddings is not None:
        rows = zip(adapter.modifier_tokens, adapter.modifier_embeddings, strict=True)
        for i, (token, row) in enumerate(rows):
            save_file({token: row.contiguous()}, folder / f"learned_embeds_{i}.safetensors")
    (folder / REST).write_text(json.dumps(adapter.metadata(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def from_folder(folder: Path, bundle: Path | None = None, class_name: str = "") -> AdapterFile:
    """The adapter in a folder of diffusers' or PEFT's. Raises AdapterFileError that says what is missing or damaged."""
    try:
        return _from_folder(folder, bundle, class_name)
    except (json.JSONDecodeError, SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise AdapterFileError(f"{folder}: a file is damaged ({error}); convert the adapter again") from error


def _from_folder(folder: Path, bundle: Path | None, class_name: str) -> AdapterFile:
    tensors, rank = _weights(folder)
    tokens, rows = [], []
    for path in sorted(folder.glob("learned_embeds*.safetensors")):
        for token, row in load_file(path).items():
            tokens.append(token)
            rows.append(row.reshape(-1))
    rest = folder / REST
    if rest.exists():
        metadata = json.loads(rest.read_text(encoding="utf-8"))
    elif bundle is not None:
        model = mf.read(bundle, verify_files=False).model
        kind = "full" if rank is None else "lora"
        metadata = AdapterFile(
            model.name, model.weights_sha256, kind, rank, {}, tokens, class_name=class_name
        ).metadata()
    else:
        raise AdapterFileError(f"{folder} has no {REST}: name the bundle that the adapter is for (--bundle)")
    return from_parts(metadata, tensors, torch.stack(rows) if rows else None)


def _weights(folder: Path) -> tuple[dict[str, Tensor], int | None]:
    """Tensors by the manifest's names, and the rank of a LoRA."""
    for name in (f"{CUSTOM_DIFFUSION}.safetensors", f"{CUSTOM_DIFFUSION}.bin"):
        path = folder / name
        if path.exists():
            stored = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
            return _custom_diffusion(stored), None
    for name, prefix in ((DIFFUSERS_LORA, DIFFUSERS_PREFIX), (PEFT_LORA, PEFT_PREFIX)):
        if (folder / name).exists():
            tensors = {key.removeprefix(prefix): tensor for key, tensor in load_file(folder / name).items()}
            other = [key for key in tensors if ".attn2.to_k.lora_" not in key and ".attn2.to_v.lora_" not in key]
            if other:
                raise AdapterFileError(f"{folder / name}: {other[0]} is no low-rank matrix of attn2.to_k or attn2.to_v")
            return tensors, next(len(t) for key, t in tensors.items() if key.endswith("lora_A.weight"))
    raise AdapterFileError(f"{folder} has neither {CUSTOM_DIFFUSION}.* nor {DIFFUSERS_LORA} nor {PEFT_LORA}")


def _custom_diffusion(stored: Mapping[str, object]) -> dict[str, Tensor]:
    tensors = {}
    for key, tensor in stored.items():
        if not isinstance(tensor, Tensor) or tensor.numel() == 0:  # self-attention's empty entry
            continue
        layer, _, name = key.partition(".processor.")
        projection = name.removesuffix("_custom_diffusion.weight")
        if projection not in ("to_k", "to_v"):
            raise AdapterFileError(f"{key} is no key or value matrix: freeze_model=crossattn_kv is what fits a phone")
        tensors[f"{layer}.{projection}.weight"] = tensor
    return tensors


def compress(
    adapter: AdapterFile, base: Mapping[str, Tensor], rank: int | None = None, explained: float | None = None
) -> tuple[AdapterFile, float]:
    """A LoRA that is nearest to a full adapter, and what is lost: the share of the change's squared norm.

    The change of each matrix from its `base` is cut off after `rank` singular values; or where they make up the share
    `explained` of all of them (Kumari et al. 2023, appendix: 0.6), the largest such rank being the adapter's.
    """
    if adapter.kind != "full":
        raise AdapterFileError(f"the adapter's kind is {adapter.kind}; only a full one can be compressed")
    changes = {name: tensor.double() - base[name].double() for name, tensor in adapter.tensors.items()}
    parts = {name: torch.linalg.svd(change, full_matrices=False) for name, change in changes.items()}
    if explained is None:
        kept = dict.fromkeys(parts, rank or 1)
    else:
        kept = {name: explaining(s, explained) for name, (_, s, _) in parts.items()}
    width = max(kept.values())
    tensors, whole, lost = {}, 0.0, 0.0
    for name, (u, s, vh) in parts.items():
        prefix, own = name.removesuffix(".weight"), kept[name]
        root = s[:own].sqrt()
        tensors[f"{prefix}.lora_A.weight"] = _padded(root[:, None] * vh[:own], width, 0).float()
        tensors[f"{prefix}.lora_B.weight"] = _padded(u[:, :own] * root, width, 1).float()
        whole += s.square().sum().item()
        lost += s[own:].square().sum().item()
    return replace(adapter, kind="lora", rank=width, tensors=tensors), lost / whole if whole else 0.0


def explaining(values: Tensor, share: float) -> int:
    """How many of the largest singular values (descending) make up `share` of their sum; one at least."""
    sums = values.cumsum(0)
    return int((sums < share * sums[-1]).sum()) + 1 if sums[-1] > 0 else 1


def _padded(matrix: Tensor, size: int, dim: int) -> Tensor:
    """A matrix smaller than the rank has fewer singular values: zeros make up for them."""
    missing = size - matrix.shape[dim]
    if missing <= 0:
        return matrix.contiguous()
    shape = list(matrix.shape)
    shape[dim] = missing
    return torch.cat([matrix, matrix.new_zeros(shape)], dim)


def base_of(adapter: AdapterFile, bundle: Path) -> tuple[dict[str, Tensor], int]:
    """The bundle's own key and value matrices and its LoRA rank. Raises AdapterFileError for another model's."""
    manifest = mf.read(bundle)
    if manifest.model.weights_sha256 != adapter.base_weights_sha256:
        raise AdapterFileError(
            f"the adapter was trained on {adapter.base_model} ({adapter.base_weights_sha256[:12]}…), {bundle} holds "
            f"{manifest.model.name} ({manifest.model.weights_sha256[:12]}…)"
        )
    return load_file(bundle / manifest.adapters["full"].initial), manifest.adapters["lora"].rank or 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = ["to-diffusers", "from-diffusers", "to-peft", "from-peft", "compress"]
    parser.add_argument("command", choices=commands)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--bundle", type=Path, help="the bundle that the adapter is for")
    parser.add_argument("--class-name", default="", help="what the subject is, for a folder without likeness.json")
    smaller = parser.add_mutually_exclusive_group()
    smaller.add_argument("--rank", type=int, help="compress: the rank (default: that of the bundle's lora adapters)")
    smaller.add_argument(
        "--explained", type=float, metavar="SHARE", help="compress: as many singular values as make up 0.6 of their sum"
    )
    args = parser.parse_args(arguments)
    try:
        if args.command.startswith("from-"):
            write(args.target, from_folder(args.source, args.bundle, args.class_name))
        elif args.command == "to-diffusers":
            to_diffusers(read(args.source), args.target)
        elif args.command == "to-peft":
            to_peft(read(args.source), args.target)
        elif args.bundle is None:
            parser.error("compress needs --bundle: only the change from the model's own matrices has a low rank")
        else:
            adapter = read(args.source)
            base, rank = base_of(adapter, args.bundle)
            small, lost = compress(adapter, base, args.rank or rank, args.explained)
            write(args.target, small)
            if small.rank != rank:
                print(f"rank {small.rank}; the bundle's programs take {rank}: for diffusers and PEFT, not for a phone")
            sizes = [path.stat().st_size / 2**10 for path in (args.source, args.target)]
            print(f"{sizes[0]:.0f} KB → {sizes[1]:.0f} KB; {100 * lost:.2f} % of the change's squared norm is lost")
    except (AdapterFileError, mf.BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
