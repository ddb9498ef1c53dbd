"""What the caller chooses for a Core ML bundle."""

from __future__ import annotations

from dataclasses import dataclass

ATTENTION_FORMS = ("original", "split_einsum")
IOS_VERSIONS = (17, 18)
WEIGHTS = ("float16", "int8", "palette6")
PRECISIONS = ("float16", "float32")


@dataclass(frozen=True)
class CoremlSettings:
    """The oldest iOS it runs on, the form of attention, how weights are stored, and the precision of training steps.

    Whatever the precision, weights are stored as `weights` says. Every method but those of a training step computes in
    float16. From iOS 18 on, methods of the same weights are functions of one package, which stores them once.
    """

    ios: int = 18
    attention: str = "split_einsum"
    weights: str = "float16"
    train_precision: str = "float16"

    def precision_of(self, program: str) -> str:
        """`program` as `export.programs.program_methods` names it."""
        return self.train_precision if is_training(program) else "float16"


def is_training(program: str) -> bool:
    """Whether the program makes gradients, or what they are made of: `train_step` with its stages, and every vjp."""
    method = program.partition("/")[0]
    return method == "train_step" or "_vjp" in method
