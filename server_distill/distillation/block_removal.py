"""BK-SDM's block removal (Kim et al. 2023, section 3): a student UNet made of some of its teacher's blocks.

Down blocks keep the first of their two residual/attention pairs, up blocks the first and last of three; what else goes
is a line of `LEVELS`. segmind's names for two of the levels are known too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers import UNet2DConditionModel

KEPT_DOWN = (0,)
KEPT_UP = (0, 2)
"""Which of a teacher block's pairs the student's pairs 0, 1 come from."""


@dataclass(frozen=True)
class Level:
    """What remains: the mid block; the innermost blocks, that is the last down block and the first up block."""

    mid: bool
    innermost: bool


LEVELS = {
    "bk_base": Level(mid=True, innermost=True),
    "bk_small": Level(mid=False, innermost=True),
    "bk_tiny": Level(mid=False, innermost=False),
}
ALIASES = {"sd_small": "bk_base", "sd_tiny": "bk_tiny"}

PER_DOWN_BLOCK = ("down_block_types", "block_out_channels")
PER_UP_BLOCK = ("up_block_types",)
PER_DOWN_BLOCK_IF_LISTED = (
    "attention_head_dim",
    "num_attention_heads",
    "cross_attention_dim",
    "only_cross_attention",
    "transformer_layers_per_block",
)
"""Config entries that hold one value for every block, or a list of one a down block."""


def level_named(name: str) -> Level:
    """Raises ValueError that lists the names there are."""
    level = LEVELS.get(ALIASES.get(name, name))
    if level is None:
        raise ValueError(f"no distillation level {name!r}; there are {', '.join([*LEVELS, *ALIASES])}")
    return level


def student_config(teacher: UNet2DConditionModel, level: Level) -> dict[str, Any]:
    """The student's config. Raises ValueError when the teacher has another layout than two layers a block, or when what
    remains does not fit together.
    """
    config = {key: value for key, value in teacher.config.items() if not key.startswith("_")}
    if config["layers_per_block"] not in (2, [2] * len(teacher.down_blocks), (2,) * len(teacher.down_blocks)):
        raise ValueError(
            f"block removal needs a teacher with 2 layers a block, this one has {config['layers_per_block']}"
        )
    config["layers_per_block"] = 1
    if not level.mid:
        config["mid_block_type"] = None
    if not level.innermost:
        widths = teacher.config.block_out_channels
        if widths[-1] != widths[-2]:
            raise ValueError(f"only a teacher whose last two blocks are equally wide can do without one; here {widths}")
        for key in PER_DOWN_BLOCK:
            config[key] = config[key][:-1]
        for key in PER_UP_BLOCK:
            config[key] = config[key][1:]
        for key in PER_DOWN_BLOCK_IF_LISTED:
            if isinstance(config.get(key), list | tuple):
                config[key] = config[key][:-1]
    return config


def make_student(teacher: UNet2DConditionModel, level: str = "bk_small") -> UNet2DConditionModel:
    """A student whose every weight is copied from `teacher`. Raises ValueError: unknown level, another layout."""
    removal = level_named(level)
    student = UNet2DConditionModel(**student_config(teacher, removal))  # from_config() takes a None for "not given"
    source = teacher.state_dict()
    student.load_state_dict({name: source[teacher_name(name, removal)] for name in student.state_dict()})
    return student


def teacher_name(student_name: str, level: Level) -> str:
    """The teacher's parameter or module that the student's of this name is copied from."""
    parts = student_name.split(".")
    if parts[0] == "up_blocks" and not level.innermost:
        parts[1] = str(int(parts[1]) + 1)
    if parts[0] in ("down_blocks", "up_blocks") and parts[2:3] in (["resnets"], ["attentions"]):
        kept = KEPT_DOWN if parts[0] == "down_blocks" else KEPT_UP
        parts[3] = str(kept[int(parts[3])])
    return ".".join(parts)


def feature_pairs(student: UNet2DConditionModel, level: str = "bk_small") -> dict[str, str]:
    """Student module → teacher module whose outputs are matched in distillation: every block that the student has.

    A last down block makes no smaller image, but the teacher's block that it comes from may have: there it is the last
    pair before that whose outputs are matched.
    """
    removal = level_named(level)
    names = [f"down_blocks.{i}" for i in range(len(student.down_blocks))]
    names += ["mid_block"] if student.mid_block is not None else []
    names += [f"up_blocks.{i}" for i in range(len(student.up_blocks))]
    pairs = {name: teacher_name(name, removal) for name in names}
    if not removal.innermost:
        last = f"down_blocks.{len(student.down_blocks) - 1}"
        part = "attentions" if hasattr(student.down_blocks[-1], "attentions") else "resnets"
        del pairs[last]
        pairs[f"{last}.{part}.0"] = f"{last}.{part}.1"
    return pairs
