"""BK-SDM's block removal (Kim et al. 2023, section 3): a student UNet made of some of its teacher's blocks.

Down blocks keep their first residual/attention pair, up blocks their first and last; `bk_small` drops the mid block
too.
"""

from __future__ import annotations

from diffusers import UNet2DConditionModel

KEPT_DOWN = (0,)
KEPT_UP = (0, 2)
"""Which of a teacher block's pairs the student's pairs 0, 1 come from, for two layers a block (three when going up)."""


def make_student(teacher: UNet2DConditionModel, keep_mid: bool = False) -> UNet2DConditionModel:
    """A student whose every weight is copied from `teacher`. Raises ValueError when the teacher has another layout."""
    if teacher.config.layers_per_block != 2:
        raise ValueError(
            f"block removal needs a teacher with 2 layers a block, this one has {teacher.config.layers_per_block}"
        )
    config = {key: value for key, value in teacher.config.items() if not key.startswith("_")}
    config["layers_per_block"] = 1
    if not keep_mid:
        config["mid_block_type"] = None
    student = UNet2DConditionModel(**config)  # from_config() would take a None for "not given"
    source = teacher.state_dict()
    student.load_state_dict({name: source[teacher_name(name)] for name in student.state_dict()})
    return student


def teacher_name(student_name: str) -> str:
    """The teacher's parameter that the student's parameter of this name is copied from."""
    parts = student_name.split(".")
    if parts[0] in ("down_blocks", "up_blocks") and parts[2] in ("resnets", "attentions"):
        kept = KEPT_DOWN if parts[0] == "down_blocks" else KEPT_UP
        parts[3] = str(kept[int(parts[3])])
    return ".".join(parts)


def feature_names(student: UNet2DConditionModel) -> list[str]:
    """Modules whose outputs are matched in feature distillation: every block that both networks have."""
    downs = [f"down_blocks.{i}" for i in range(len(student.down_blocks))]
    ups = [f"up_blocks.{i}" for i in range(len(student.up_blocks))]
    return [*downs, *(["mid_block"] if student.mid_block is not None else []), *ups]
