"""How far a student is from its teacher, against the definition on networks whose matrices were really changed."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from server_distill.distillation.block_removal import level_named, make_student, teacher_name
from server_distill.distillation.examples import Batch
from server_distill.distillation.kv_perturbation import kv_shapes, random_changes
from server_distill.distillation.reaction import errors_to_teacher
from tests.small_pipelines import small_unet

LEVEL = "bk_small"


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    latents, noise = torch.randn(2, 3, 4, 8, 8, generator=generator)
    return Batch(latents, noise, noise, torch.tensor([3, 400, 990]), torch.randn(3, 5, 32, generator=generator))


def with_matrices(unet: UNet2DConditionModel, change: dict, names: dict[str, str]) -> UNet2DConditionModel:
    """A copy in which `change` was added to the weights themselves."""
    unet = copy.deepcopy(unet)
    with torch.no_grad():
        for name, (a, b) in change.items():
            layer, _, projection = name.rpartition(".")
            unet.get_submodule(f"{names[layer]}.{projection}").weight += b @ a
    return unet


@torch.no_grad()
def test_errors_are_as_defined() -> None:
    torch.manual_seed(0)
    teacher = small_unet()
    student = make_student(teacher, LEVEL)
    layers = [name for name, _ in student.named_modules() if name.endswith(".attn2")]
    names = {name: teacher_name(name, level_named(LEVEL)) for name in layers}
    assert any(own != other for own, other in names.items()), "a student's layer has another name in its teacher"
    generator = torch.Generator().manual_seed(1)
    changes = [random_changes(kv_shapes(student, layers), 3, 0.5, generator) for _ in range(2)]
    schedule = DDPMScheduler(beta_schedule="scaled_linear")
    batches = [batch(seed) for seed in range(3)]

    found = errors_to_teacher(teacher, student, LEVEL, schedule, batches, changes)

    before, after = [], []
    for i, one in enumerate(batches):
        change = changes[i % 2]
        noisy = schedule.add_noise(one.latents, one.noise, one.timesteps)
        networks = [teacher, student, with_matrices(teacher, change, names)]
        networks.append(with_matrices(student, change, {name: name for name in layers}))
        t, s, t_after, s_after = (unet(noisy, one.timesteps, one.hidden).sample.double() for unet in networks)
        before.append((t, s))
        after.append((t_after - t, s_after - s))
    for name, pairs in (("output_error", before), ("reaction_error", after)):
        wanted, own = (torch.cat(side) for side in zip(*pairs, strict=True))
        expected = ((own - wanted).square().sum() / wanted.square().sum()).item()
        assert found[name] == pytest.approx(expected, rel=1e-3), name  # float32: a hook adds where a matrix was summed
        assert expected > 0.01
