"""A UNet in stages gives what the whole UNet gives: values, loss and every gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export import functional_ops
from export.joint_graph import trace
from export.methods import Options, unet_methods
from export.parity import relative_error
from export.pipeline import Pipeline, load_pipeline
from export.run_stages import run_stages
from export.stage_methods import in_stages, stage_methods
from export.target import Run
from models import manifest as mf
from tests import sd_shaped

BOUND = 1e-5
"""The same float32 operations, in a few dozen layers, with sums in another order."""


@pytest.fixture(scope="module", params=["student", "teacher, linear projections"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    student = request.param == "student"
    unet = sd_shaped.make_unet(
        student,
        sample_size=8,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=2,
        norm_num_groups=8,
        use_linear_projection=not student,
    )
    return load_pipeline(sd_shaped.save_pipeline(tmp_path_factory.mktemp("model"), unet=unet))


@pytest.fixture(scope="module")
def options() -> Options:
    return Options(mf.Batch(2, 3, 2, 1), max_modifier_tokens=2, lora_rank=4, staged=True)


@pytest.mark.parametrize("name", ["denoise", "train_step"])
def test_stages_give_what_the_whole_gives(pipeline: Pipeline, options: Options, name: str) -> None:
    """The graphs that would be lowered, run in the order of the manifest."""
    parts = {part.name: part for part in stage_methods(pipeline, options)}
    programs = {key: mf.Program(key, "forward", part.inputs, part.outputs) for key, part in parts.items()}
    staged = in_stages(name, programs)

    def load(program: mf.Program) -> Run:
        part = parts[program.program]
        graph = trace(part.function, part.example(0))
        return lambda inputs: list(graph(*inputs))

    (whole,) = (method for method in unet_methods(pipeline, options) if method.name == name)
    inputs = whole.example(5)
    actual = run_stages(staged, whole, load, inputs)
    expected = whole.function(*inputs)
    assert len(staged.stages) > 20
    for output, a, e in zip(whole.outputs, actual, expected, strict=True):
        assert relative_error(a, e) < BOUND, output


def test_only_what_lies_behind_a_key_goes_back(pipeline: Pipeline, options: Options) -> None:
    """Nothing before the first cross-attention is trained by: those stages have no backward program."""
    names = [part.name for part in stage_methods(pipeline, options) if part.name.endswith("backward")]
    without = ("conv_in", "down_blocks.0.resnets.0.1", "down_blocks.0.attentions.0.transformer_blocks.0.attn1")
    assert not {f"train_step/{stage}.backward" for stage in without} & set(names)
    assert "train_step/down_blocks.0.attentions.0.transformer_blocks.0.attn2.backward" in names


def attention(query: Tensor, key: Tensor, value: Tensor, grad: Tensor) -> list[Tensor]:
    leaves = [x.clone().requires_grad_() for x in (query, key, value)]
    out = functional_ops.Attention.apply(*leaves, 0.5, None)
    return [out.detach(), *torch.autograd.grad(out, leaves, grad)]


@pytest.mark.parametrize("limit", [4 * 7 * 5 * 3, 4 * 7 * 5, 4 * 7 * 2, 1])
def test_attention_in_blocks(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Blocks of some heads, of one, of some rows, of one row, and a last block that is smaller than the others."""
    generator = torch.Generator().manual_seed(0)
    query, grad = (torch.randn((7, 5, 4), generator=generator) for _ in range(2))
    key, value = (torch.randn((7, 7, 4), generator=generator) for _ in range(2))
    whole = attention(query, key, value, grad)
    monkeypatch.setattr(functional_ops, "SCORES_BYTES", limit)
    assert len(functional_ops._attention_blocks(7, 5, 7)) > 1
    for kept in (1 << 20, 0):
        monkeypatch.setattr(functional_ops, "KEEP_PROBABILITIES_BYTES", kept)
        for a, e in zip(attention(query, key, value, grad), whole, strict=True):
            torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-6)
