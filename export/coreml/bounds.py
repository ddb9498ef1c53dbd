"""How far a Core ML program may be from the modules it came from: by the precision it computes in and its weights'.

float16 rounds every result to 2⁻¹¹ of itself, and some hundred operations follow each other. A gradient passes twice as
many and ends in sums whose terms cancel, so its largest error is an order larger; its direction hardly changes.
Compressed weights are another model, near the first: how near is what `make check-coreml` tables. Each bound is about
twice the worst figure measured on the default model and on the tests' small ones with random weights. Six bits leave
gradients their direction (cosine 0.99 for the worst of the default model's) and little more.
"""

from __future__ import annotations

from export.coreml.settings import is_training
from export.target import Bounds

VALUES = {
    "float16": Bounds(relative_error=3e-2, cosine=0.9998, psnr=45.0),
    "int8": Bounds(relative_error=0.2, cosine=0.98, psnr=24.0),
    "palette6": Bounds(relative_error=0.4, cosine=0.95, psnr=20.0),
}
GRADIENTS = {
    "float16": Bounds(relative_error=8e-2, cosine=0.999, psnr=45.0),
    "int8": Bounds(relative_error=0.3, cosine=0.99, psnr=38.0),
    "palette6": Bounds(relative_error=0.6, cosine=0.95, psnr=24.0),
}


def bounds(weights: str, method: str) -> Bounds:
    """`weights` as `CoremlSettings.weights`; `method` by its name in the bundle."""
    return (GRADIENTS if is_training(method) else VALUES)[weights]
