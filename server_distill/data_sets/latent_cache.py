"""Latents and text states of a data set, encoded once and kept on disk: to train, no encoder is loaded.

    cache.json                     what was encoded by what; another is refused
    latents-00000.safetensors      mean, log_variance (N, V, 4, h, w) fp16: V views of N pictures; metadata `rows`: JSON
                                   list of [name, [caption numbers]], and `next`: the data set's example to go on from
    complete.json                  written last: how many pictures, and which were skipped
    text-00000.safetensors         states (M, n, d) fp16 of the captions that the shard of this number met first

Shards appear whole (written aside, renamed), so encoding goes on where it was interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from models.whole_files import whole_file
from server_distill.data_sets.image_dataset import Captioned, Skipped
from server_distill.data_sets.picture_views import Views

COMPLETE = "complete.json"
SHARD = 256
"""Pictures a file."""


class CacheError(RuntimeError):
    """A cache that is damaged, empty or of something else; the message says what to do."""


class TextEncoder:
    """Caption → text states (n, d), each distinct caption once."""

    def __init__(self, tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, captions: list[str]) -> Tensor:
        """(len(captions), n, d) float32; captions longer than the encoder reads are cut."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        )
        device = next(self.encoder.parameters()).device
        return self.encoder(tokens.input_ids.to(device))[0].float()


def fingerprint(*modules: torch.nn.Module) -> str:
    """A short hash of networks' weights: of a sample of each tensor, so that it takes no time."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            sample = tensor.flatten()[:: max(1, tensor.numel() // 64)].float().cpu().contiguous()
            digest.update(f"{name} {tuple(tensor.shape)}".encode() + sample.numpy().tobytes())
    return digest.hexdigest()[:16]


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    try:
        with whole_file(path) as temporary:
            save_file(tensors, temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise CacheError(f"{path} can't be written ({error}): make room; the shards before it are whole") from error


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(str(path), "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{path} is damaged ({error}): remove it and the shards after it, and run again") from error


class LatentCacheWriter:
    """Fills a cache folder, shard after shard."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        """Raises CacheError where the folder holds a cache made with other settings (it names them)."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _agree(folder, settings)
        self.shards = _shards(folder)
        self.captions: dict[str, int] = {}
        for shard in self.shards:
            for caption in json.loads(_metadata(_text_of(shard))["captions"]):
                self.captions[caption] = len(self.captions)

    def next_example(self) -> int:
        """The data set's first example that no shard covers."""
        return int(_metadata(self.shards[-1])["next"]) if self.shards else 0

    def pictures(self) -> int:
        return sum(len(json.loads(_metadata(shard)["rows"])) for shard in self.shards)

    def add(self, rows: list[tuple[Captioned, Tensor, Tensor]], text: TextEncoder, following: int) -> None:
        """One shard of (example, mean, log-variance (V, 4, h, w)); `following` is the example to go on from."""
        number = len(self.shards)
        met = list(dict.fromkeys(caption for row, _, _ in rows for caption in row.captions))
        new = [caption for caption in met if caption not in self.captions]
        states = [text(new[i : i + 64]).half() for i in range(0, len(new), 64)]
        empty = text([""]).half()
        shard = self.folder / f"latents-{number:05d}.safetensors"
        known = {**self.captions, **{caption: len(self.captions) + i for i, caption in enumerate(new)}}
        # Texts first: a latents' shard that is there always has its captions.
        _write(
            _text_of(shard),
            {"states": torch.cat(states) if states else empty[:0], "empty": empty},
            {"captions": json.dumps(new, ensure_ascii=False)},
        )
        names = [[row.name, [known[caption] for caption in row.captions]] for row, _, _ in rows]
        tensors = {"mean": torch.stack([m for _, m, _ in rows]), "log_variance": torch.stack([v for _, _, v in rows])}
        _write(
            shard,
            {name: tensor.half().contiguous() for name, tensor in tensors.items()},
            {"rows": json.dumps(names, ensure_ascii=False), "next": str(following)},
        )
        self.captions = known
        self.shards.append(shard)

    def complete(self) -> bool:
        return (self.folder / COMPLETE).exists()

    def finish(self, skipped: Skipped) -> None:
        """Nothing more will come."""
        report = {"pictures": self.pictures(), "captions": len(self.captions), "skipped": skipped.names}
        (self.folder / COMPLETE).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _text_of(latents: Path) -> Path:
    return latents.with_name(latents.name.replace("latents-", "text-"))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("latents-*.safetensors"))


def _agree(folder: Path, settings: dict[str, object]) -> None:
    path, now = folder / "cache.json", json.loads(json.dumps(settings))
    if path.exists():
        saved = json.loads(path.read_text())
        different = [f"{key} {saved.get(key)!r} ≠ {now.get(key)!r}" for key in now if saved.get(key) != now.get(key)]
        if different:
            raise CacheError(
                f"{folder} holds latents of something else ({'; '.join(different)}): name another folder "
                "(--latents_cache_dir), or remove this one"
            )
    else:
        path.write_text(json.dumps(now, indent=1) + "\n")


@torch.no_grad()
def encode(
    examples: Iterable[Captioned],
    writer: LatentCacheWriter,
    vae: AutoencoderKL,
    text: TextEncoder,
    views: Views,
    total: int | None = None,
) -> None:
    """Encode every example that `writer` has not, one by one, and write shards of `SHARD`."""
    rows: list[tuple[Captioned, Tensor, Tensor]] = []
    bar = tqdm(examples, total=total, initial=writer.pictures(), desc="encoding", unit=" pictures")
    for example in bar:
        pixels = views.of(example.picture, example.number).to(vae.device, vae.dtype)
        posterior = vae.encode(pixels).latent_dist
        rows.append((example, posterior.mean.float().cpu(), posterior.logvar.float().cpu()))
        if len(rows) == SHARD:
            writer.add(rows, text, example.number + 1)
            rows = []
    if rows:
        writer.add(rows, text, rows[-1][0].number + 1)


class LatentCache:
    """A finished cache, read from disk row by row: memory holds only what a batch needs."""

    def __init__(self, folder: Path) -> None:
        """Raises CacheError where it is empty or damaged."""
        shards = _shards(folder)
        if not shards:
            raise CacheError(f"{folder} holds no latents: no picture of the data set could be used")
        self._latents = [_open(path) for path in shards]
        self._texts = [_open(_text_of(path)) for path in shards]
        self._rows: list[tuple[int, int, str, list[int]]] = []
        self._captions: list[tuple[int, int]] = []
        for i, (latents, texts) in enumerate(zip(self._latents, self._texts, strict=True)):
            for j, (name, captions) in enumerate(json.loads(latents.metadata()["rows"])):
                self._rows.append((i, j, name, captions))
            self._captions += [(i, j) for j in range(len(json.loads(texts.metadata()["captions"])))]
        self.empty = self._texts[0].get_tensor("empty").float()
        self.views = self._latents[0].get_slice("mean").get_shape()[1]

    def __len__(self) -> int:
        return len(self._rows)

    def captions_of(self, row: int) -> list[int]:
        return self._rows[row][3]

    def posterior(self, row: int, view: int) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (4, h, w) float32, unscaled."""
        shard, place, _, _ = self._rows[row]
        file = self._latents[shard]
        return tuple(file.get_slice(name)[place, view].float() for name in ("mean", "log_variance"))  # type: ignore[return-value]

    def text(self, caption: int) -> Tensor:
        """States (n, d) float32."""
        shard, place = self._captions[caption]
        return self._texts[shard].get_slice("states")[place].float()

    def names(self) -> Iterator[str]:
        return (name for _, _, name, _ in self._rows)


def _open(path: Path) -> Any:
    try:
        return safe_open(str(path), "pt").__enter__()
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{path} is damaged ({error}): remove it and the shards after it, and run again") from error
