"""Parts of pipeline folders: whole ones load, and of any other the folder and what is wrong with it are named."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.training.checkpoints import CheckpointError
from server_distill.training.load_part import load_part
from tests import sd_shaped

PARTS = {
    "vae": (AutoencoderKL, "diffusion_pytorch_model.safetensors"),
    "unet": (UNet2DConditionModel, "diffusion_pytorch_model.safetensors"),
    "text_encoder": (CLIPTextModel, "model.safetensors"),
    "tokenizer": (CLIPTokenizer, "tokenizer.json"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd_shaped.save_pipeline(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_what_the_pipeline_has(folder: Path, part: str) -> None:
    loaded = load_part(PARTS[part][0], folder / part)
    whole = getattr(load_part(StableDiffusionPipeline, folder, safety_checker=None), part)
    if part == "tokenizer":
        assert loaded.get_vocab() == whole.get_vocab()
    else:
        assert {name: tensor.sum() for name, tensor in loaded.state_dict().items()} == {
            name: tensor.sum() for name, tensor in whole.state_dict().items()
        }


@pytest.mark.parametrize("kept", (0, 5, 0.5, 0.99), ids=str)
@pytest.mark.parametrize("part", PARTS)
def test_a_truncated_part_is_named(folder: Path, tmp_path: Path, part: str, kept: float) -> None:
    kind, name = PARTS[part]
    shutil.copytree(folder / part, tmp_path / part)
    content = (folder / part / name).read_bytes()
    (tmp_path / part / name).write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(CheckpointError, match=f"{tmp_path / part} holds no whole {kind.__name__} .*copy it again"):
        load_part(kind, tmp_path / part)


@pytest.mark.parametrize(("part", "other"), itertools.permutations(PARTS, 2))
def test_a_part_of_another_kind_is_named(folder: Path, part: str, other: str) -> None:
    found, wanted = PARTS[part][0].__name__, PARTS[other][0].__name__
    with pytest.raises(CheckpointError, match=f"{folder / part} holds {found} where {wanted} is wanted"):
        load_part(PARTS[other][0], folder / part)


@pytest.mark.parametrize("index", (None, "[", "{}", "[]"))
def test_a_folder_that_says_nothing_of_itself_is_named(tmp_path: Path, index: str | None) -> None:
    if index is not None:
        (tmp_path / "config.json").write_text(index)
    with pytest.raises(CheckpointError, match=f"{tmp_path} holds no whole AutoencoderKL"):
        load_part(AutoencoderKL, tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder .*none to read CLIPTokenizer from"):
        load_part(CLIPTokenizer, tmp_path / "none")
