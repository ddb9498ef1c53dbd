"""One micro-step of distillation: the student's losses against the data, its teacher's output and its teacher's blocks.

    loss = task_weight · task + output_weight · output + feature_weight · feature [+ attention_weight · attention]

BK-SDM's recipe (Kim et al. 2023, section 3.2). For the personalization task, in a share of the micro-steps both
networks get the same change of their K and V matrices, random or learned on training subjects, and cross-attentions'
outputs are matched as well: the student is taught to react to an adapter as its teacher would.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from server_distill.distillation.block_removal import feature_pairs, level_named, teacher_name
from server_distill.distillation.examples import Batch, Examples
from server_distill.distillation.feature_matching import FeatureMatching
from server_distill.distillation.kv_perturbation import changed, kv_shapes, learned_changes, random_changes
from server_distill.distillation.teacher_cache import TeacherCache
from server_distill.training.diffusion_loss import snr_weights, target, weighted_mse
from server_distill.training.loop import draw

OUTPUT = "output"


class Distillation:
    """The losses of a run. `args` are `distill_options`'; `teacher` may be None once its outputs are cached."""

    def __init__(
        self,
        args: argparse.Namespace,
        accelerator: Accelerator,
        student: UNet2DConditionModel,
        teacher: UNet2DConditionModel | None,
        schedule: DDPMScheduler,
        examples: Examples,
        cache: TeacherCache | None = None,
    ) -> None:
        self.args, self.accelerator, self.schedule, self.examples = args, accelerator, schedule, examples
        self.student, self.teacher, self.cache = student, teacher, cache
        self.prepared: nn.Module = student
        level = args.distill_level
        self.blocks = feature_pairs(student, level)
        self.attentions = {}
        if args.task == "personalization":
            names = [name for name, _ in student.named_modules() if name.endswith(".attn2")]
            self.attentions = {name: teacher_name(name, level_named(level)) for name in names}
        self.kv = kv_shapes(student, self.attentions)
        self.learned: list[dict[str, tuple[Tensor, Tensor]]] = []
        if self.attentions and args.perturbation_adapters is not None:
            self.learned = learned_changes(student, args.perturbation_adapters, args.perturbation_rank)
        relative = args.feature_scale == "power"
        self.block_matching = FeatureMatching(student, self.blocks, relative)
        self.attention_matching = FeatureMatching(student, self.attentions, relative=True)

    def prepare(self, module: nn.Module) -> None:
        self.prepared = module

    def batch(self, micro_step: int) -> tuple[Batch, torch.Generator]:
        """The micro-step's examples, and the generator for whatever else it draws."""
        if self.cache is not None:
            micro_step %= self.cache.count
        generator = draw(self.args.seed, micro_step, self.accelerator.process_index)
        batch = self.examples.batch(self.args.train_batch_size, generator)
        return batch.to(self.accelerator.device), generator

    def changes(self, generator: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
        """This micro-step's change of K and V, by the student's names; empty for an unperturbed one."""
        args = self.args
        if not self.attentions or torch.rand(1, generator=generator).item() >= args.perturbed_share:
            return {}
        if self.learned:
            change = self.learned[int(torch.randint(len(self.learned), (1,), generator=generator))]
            size = 0.5 + torch.rand(1, generator=generator).item()
            return {name: (a, size * b) for name, (a, b) in change.items()}
        return random_changes(self.kv, args.perturbation_rank, args.perturbation, generator)

    @torch.no_grad()
    def ask_teacher(self, batch: Batch, changes: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        """The teacher's output; whoever listens to its modules hears them."""
        assert self.teacher is not None
        kind = self.teacher.dtype
        noisy = self.schedule.add_noise(batch.latents, batch.input_noise, batch.timesteps)
        with changed(self.teacher, changes, self.attentions), _no_autocast(self.accelerator):
            return self.teacher(noisy.to(kind), batch.timesteps, batch.hidden.to(kind), return_dict=False)[0]

    def teacher_outputs(self, micro_step: int) -> dict[str, Tensor]:
        """Output and paired features of the teacher, for a cache on disk."""
        batch, generator = self.batch(micro_step)
        kept: dict[str, Tensor] = {}
        hooks = []
        for name in {*self.blocks.values(), *self.attentions.values()}:

            def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple, name: str = name) -> None:
                kept[name] = output[0] if isinstance(output, tuple) else output

            hooks.append(self.teacher.get_submodule(name).register_forward_hook(keep))  # type: ignore[union-attr]
        kept[OUTPUT] = self.ask_teacher(batch, self.changes(generator))
        for hook in hooks:
            hook.remove()
        return kept

    def losses(self, micro_step: int) -> dict[str, Tensor]:
        """`task`, `output`, `feature`, for the personalization task `attention`, and `loss`, their weighted sum."""
        args = self.args
        batch, generator = self.batch(micro_step)
        changes = self.changes(generator)
        noisy = self.schedule.add_noise(batch.latents, batch.input_noise, batch.timesteps)
        with (
            self.block_matching.student_runs(),
            self.attention_matching.student_runs(),
            changed(self.student, changes),
            self.accelerator.autocast(),
        ):
            output = self.prepared(noisy, batch.timesteps, batch.hidden, return_dict=False)[0].float()
        wanted = self._wanted(micro_step, batch, changes)
        weights = snr_weights(self.schedule, batch.timesteps, args.snr_gamma)
        truth = target(self.schedule, batch.latents, batch.noise, batch.timesteps)
        named = {
            "task": weighted_mse(output, truth, weights) if not changes else output.new_zeros(()),
            "output": weighted_mse(output, wanted, torch.ones_like(weights)),
            "feature": self.block_matching.loss(),
        }
        loss = args.task_weight * named["task"] + args.output_weight * named["output"]
        loss = loss + args.feature_weight * named["feature"]
        if self.attentions:
            named["attention"] = self.attention_matching.loss()
            loss = loss + args.attention_weight * named["attention"]
        return {"loss": loss, **named}

    def _wanted(self, micro_step: int, batch: Batch, changes: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        """The teacher's output; its features are compared with the student's on the way."""
        if self.cache is None:
            teacher = self.teacher
            assert teacher is not None
            with self.block_matching.teacher_runs(teacher), self.attention_matching.teacher_runs(teacher):
                return self.ask_teacher(batch, changes)
        stored = self.cache.read(micro_step)
        device = self.accelerator.device
        for matching in (self.block_matching, self.attention_matching):
            matching.start_comparing()
            for own, wanted in matching.pairs.items():
                matching.compare(own, stored[wanted].to(device))
        return stored[OUTPUT].to(device)


def _no_autocast(accelerator: Accelerator) -> AbstractContextManager:
    """The teacher's weights are in its own precision already."""
    kind = accelerator.device.type
    return torch.autocast(kind, enabled=False) if kind in ("cpu", "cuda") else nullcontext()
