"""Block removal: sizes against published ones, copied weights, configs that describe the network, matched features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from server_distill.default_model.pipeline import UNET
from server_distill.distillation.block_removal import (
    ALIASES,
    LEVELS,
    feature_pairs,
    level_named,
    make_student,
    student_config,
    teacher_name,
)

SD_1 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
}
SD_2 = SD_1 | {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}


@pytest.fixture(scope="module")
def teacher() -> UNet2DConditionModel:
    """The default teacher's layout, its last two blocks equally wide as Stable Diffusion's are."""
    torch.manual_seed(0)
    return UNet2DConditionModel(**{**UNET, "block_out_channels": (32, 64, 128, 128)}).eval()


def size(unet: UNet2DConditionModel) -> int:
    return sum(parameter.numel() for parameter in unet.parameters())


@pytest.mark.parametrize(
    ("level", "parameters"),
    [
        # Kim et al. 2023, table 1, and segmind's two models.
        ("bk_base", 579_384_964),
        ("sd_small", 579_384_964),
        ("bk_small", 482_346_884),
        ("bk_tiny", 323_384_964),
        ("sd_tiny", 323_384_964),
    ],
)
def test_sizes_from_stable_diffusion_1(level: str, parameters: int) -> None:
    with torch.device("meta"):
        teacher = UNet2DConditionModel(**SD_1)
        assert size(teacher) == 859_520_964
        student = UNet2DConditionModel(**student_config(teacher, level_named(level)))
    assert size(student) == parameters
    source = dict(teacher.named_parameters())
    for name, parameter in student.named_parameters():
        assert parameter.shape == source[teacher_name(name, level_named(level))].shape, name


@pytest.mark.parametrize("level", LEVELS)
def test_heads_listed_by_block_follow_their_blocks(level: str) -> None:
    with torch.device("meta"):
        teacher = UNet2DConditionModel(**SD_2)
        student = UNet2DConditionModel(**student_config(teacher, level_named(level)))
    for i, block in enumerate(student.down_blocks[: 3 if level == "bk_tiny" else 4]):
        if hasattr(block, "attentions"):
            assert block.attentions[0].transformer_blocks[0].attn1.heads == (5, 10, 20, 20)[i]


@pytest.mark.parametrize("level", [*LEVELS, *ALIASES])
def test_weights_are_the_teachers(teacher: UNet2DConditionModel, level: str) -> None:
    student = make_student(teacher, level)
    source = teacher.state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(value, source[teacher_name(name, level_named(level))]), name
    assert (student.mid_block is None) == (not level_named(level).mid)


def test_the_default_student_is_half_of_its_teacher() -> None:
    teacher = UNet2DConditionModel(**UNET)
    student = make_student(teacher)
    assert student.mid_block is None and student.config.mid_block_type is None
    assert 0.4 < size(student) / size(teacher) < 0.7


def test_names_of_kept_pairs_and_blocks() -> None:
    small, tiny = level_named("bk_small"), level_named("bk_tiny")
    assert teacher_name("up_blocks.1.resnets.1.conv1.weight", small) == "up_blocks.1.resnets.2.conv1.weight"
    assert teacher_name("up_blocks.1.resnets.1.conv1.weight", tiny) == "up_blocks.2.resnets.2.conv1.weight"
    assert teacher_name("down_blocks.0.attentions.0.norm.bias", tiny) == "down_blocks.0.attentions.0.norm.bias"
    assert teacher_name("conv_in.weight", tiny) == "conv_in.weight"


@pytest.mark.parametrize("level", LEVELS)
def test_the_saved_config_describes_the_saved_network(
    teacher: UNet2DConditionModel, level: str, tmp_path: Path
) -> None:
    student = make_student(teacher, level).eval()
    student.save_pretrained(tmp_path)
    loaded = UNet2DConditionModel.from_pretrained(tmp_path)
    x, t, hidden = torch.randn(1, 4, 16, 16), torch.tensor([500]), torch.randn(1, 24, 128)
    with torch.no_grad():
        assert torch.equal(student(x, t, hidden).sample, loaded(x, t, hidden).sample)


@pytest.mark.parametrize("level", LEVELS)
def test_matched_features_have_equal_shapes(teacher: UNet2DConditionModel, level: str) -> None:
    """And every block of the student is matched."""
    student = make_student(teacher, level).eval()
    pairs = feature_pairs(student, level)
    blocks = len(student.down_blocks) + len(student.up_blocks) + (student.mid_block is not None)
    assert len(pairs) == len(set(pairs.values())) == blocks
    of_teacher, of_student = output_shapes(teacher, pairs.values()), output_shapes(student, pairs)
    for own, wanted in pairs.items():
        assert of_student[own] == of_teacher[wanted], own


def output_shapes(unet: UNet2DConditionModel, names: Iterable[str]) -> dict[str, torch.Size]:
    """Of the named modules, in one call."""
    shapes: dict[str, torch.Size] = {}

    def keep(name: str) -> Callable:
        def hook(_module: object, _inputs: object, output: torch.Tensor | tuple) -> None:
            shapes[name] = (output[0] if isinstance(output, tuple) else output).shape

        return hook

    for name in names:
        unet.get_submodule(name).register_forward_hook(keep(name))
    with torch.no_grad():
        unet(torch.randn(1, 4, 16, 16), torch.tensor([500]), torch.randn(1, 24, 128))
    return shapes


def test_another_layout_and_an_unknown_level_are_refused(teacher: UNet2DConditionModel) -> None:
    with pytest.raises(ValueError, match="2 layers a block"):
        make_student(make_student(teacher))
    with pytest.raises(ValueError, match="bk_small, bk_tiny, sd_small"):
        make_student(teacher, "sd_huge")
    with pytest.raises(ValueError, match="equally wide"):
        make_student(UNet2DConditionModel(**UNET), "bk_tiny")
