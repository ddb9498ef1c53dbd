"""A deepened network computes what the shallower one did, and its new layers can learn, adapters' values first."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from models.kv_boundary import cross_attention_layers
from server_distill.default_model.deepen import deepen, main, transformer_layers
from server_distill.default_model.pipeline import start_from
from server_distill.distillation.block_removal import make_student


@pytest.fixture(scope="module")
def shallow() -> UNet2DConditionModel:
    """Every parameter random, biases and normalizations too: zeros and ones would hide where they go."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        layers_per_block=2,
        block_out_channels=(8, 16, 32),
        down_block_types=("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=16,
        attention_head_dim=(1, 2, 2),
        norm_num_groups=2,
    ).eval()
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return unet


def predict(unet: UNet2DConditionModel) -> Tensor:
    torch.manual_seed(1)
    inputs = torch.randn(3, 4, 8, 8), torch.tensor([3, 400, 990])
    return unet(*inputs, torch.randn(3, 7, 16), return_dict=False)[0]


def names_of(unet: UNet2DConditionModel) -> list[str]:
    return [layer.name for layer in cross_attention_layers(unet)]


@pytest.mark.parametrize("removed", [False, True], ids=["teacher", "student"])
def test_new_layers_change_nothing(shallow: UNet2DConditionModel, removed: bool) -> None:
    unet = make_student(shallow).eval() if removed else shallow
    deep = deepen(unet, (3, 2, 1)).eval()
    with torch.no_grad():
        assert torch.equal(predict(deep), predict(unet))  # to the bit: zeros are added
    more = [name for name in names_of(deep) if name not in names_of(unet)]
    assert more
    assert all(name.split("transformer_blocks.")[1] in ("1.attn2", "2.attn2") for name in more)
    assert any(name.startswith("up_blocks.2.") and name.endswith("2.attn2") for name in more)  # the outermost level
    assert not any(name.startswith("up_blocks.1.") and name.endswith("2.attn2") for name in more)


def test_values_of_new_layers_learn_at_once(shallow: UNet2DConditionModel) -> None:
    """The output depends on an adapter's values as they are; keys follow once these are no longer zero."""
    deep = deepen(shallow, (2, 2, 1))
    predict(deep).square().sum().backward()
    for name in set(names_of(deep)) - set(names_of(shallow)):
        attention = deep.get_submodule(name)
        assert attention.to_v.weight.grad.any()
        assert attention.to_k.weight.any()


def test_new_queries_are_no_copies(shallow: UNet2DConditionModel) -> None:
    deep = deepen(shallow, (3, 1, 1))
    first, second, third = deep.down_blocks[0].attentions[0].transformer_blocks
    for a, b in ((first, second), (second, third)):
        assert not torch.equal(a.attn2.to_q.weight, b.attn2.to_q.weight)
        assert torch.allclose(a.attn2.to_q.weight.norm(), b.attn2.to_q.weight.norm())


@pytest.mark.parametrize(("layers", "message"), [((1, 1), "3 levels"), ((2, 1, 1, 1), "3 levels")])
def test_another_number_of_levels_is_refused(
    shallow: UNet2DConditionModel, layers: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        deepen(shallow, layers)


def test_fewer_layers_are_refused(shallow: UNet2DConditionModel) -> None:
    with pytest.raises(ValueError, match="2 transformer layers cannot become one of 1"):
        deepen(deepen(shallow, (2, 1, 1)), (1, 1, 1))


def test_training_starts_from_a_shallower_pipeline(shallow: UNet2DConditionModel, tmp_path: Path) -> None:
    shallow.save_pretrained(tmp_path / "unet")
    deep = deepen(shallow, (2, 1, 1))
    with torch.no_grad():
        for parameter in deep.parameters():
            parameter.add_(1)
    start_from(deep.eval(), tmp_path)
    with torch.no_grad():
        assert torch.equal(predict(deep), predict(shallow))


def test_the_command_replaces_a_pipelines_network(shallow: UNet2DConditionModel, tmp_path: Path) -> None:
    half = UNet2DConditionModel(**{k: v for k, v in shallow.config.items() if not k.startswith("_")}).half()
    half.save_pretrained(tmp_path / "unet")
    assert main(["--pipeline", str(tmp_path), "--layers", "2", "2", "1"]) == 0
    deep = UNet2DConditionModel.from_pretrained(tmp_path / "unet")
    assert transformer_layers(deep) == (2, 2, 1)
    state = load_file(tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert torch.equal(state["conv_in.weight"], half.conv_in.weight)


def test_the_command_leaves_what_it_cannot_deepen(
    shallow: UNet2DConditionModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shallow.save_pretrained(tmp_path / "unet")
    assert main(["--pipeline", str(tmp_path), "--layers", "2"]) == 1
    assert "3 levels need as many numbers" in capsys.readouterr().err
    assert transformer_layers(UNet2DConditionModel.from_pretrained(tmp_path / "unet")) == (1, 1, 1)
