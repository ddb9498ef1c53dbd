"""How like its teacher a student is, and how like it reacts to an adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor

from server_distill.distillation.block_removal import level_named, teacher_name
from server_distill.distillation.examples import Batch
from server_distill.distillation.kv_perturbation import changed


@torch.no_grad()
def errors_to_teacher(
    teacher: UNet2DConditionModel,
    student: UNet2DConditionModel,
    level: str,
    schedule: DDPMScheduler,
    batches: Iterable[Batch],
    changes: Sequence[Mapping[str, tuple[Tensor, Tensor]]],
) -> dict[str, float]:
    """With T and S the two networks' outputs, T′ and S′ those after the same change of both networks' K and V:

    output_error      ‖S − T‖² / ‖T‖²
    reaction_error    ‖(S′ − S) − (T′ − T)‖² / ‖T′ − T‖²: 0 reacts as its teacher does, 1 is as far off as no reaction

    Norms are over all batches together. `changes` (kv_perturbation) by the student's names, a batch each in turns.
    """
    attentions = [name for name, _ in student.named_modules() if name.endswith(".attn2")]
    names = {name: teacher_name(name, level_named(level)) for name in attentions}
    sums = dict.fromkeys(("output", "teacher", "reaction", "teacher_reaction"), 0.0)
    for i, batch in enumerate(batches):
        change = changes[i % len(changes)]
        noisy = schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
        inputs = (noisy, batch.timesteps, batch.hidden)
        wanted, own = (unet(*inputs, return_dict=False)[0] for unet in (teacher, student))
        with changed(teacher, change, names), changed(student, change):
            wanted_after, own_after = (unet(*inputs, return_dict=False)[0] for unet in (teacher, student))
        wanted_reaction, own_reaction = wanted_after - wanted, own_after - own
        for name, difference in (
            ("output", own - wanted),
            ("teacher", wanted),
            ("reaction", own_reaction - wanted_reaction),
            ("teacher_reaction", wanted_reaction),
        ):
            sums[name] += difference.double().square().sum().item()
    return {
        "output_error": sums["output"] / sums["teacher"],
        "reaction_error": sums["reaction"] / sums["teacher_reaction"],
    }
