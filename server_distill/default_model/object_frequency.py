"""How often training sees each object: those that are not drawn recognizably yet (`hard_objects.py`) more often."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from server_distill.default_model.objects import read_catalogue

MOST_OFTEN = 3.0
"""An object that is never recognized, relative to one that always is."""


def how_often(path: Path) -> torch.Tensor:
    """How often each object of the catalogue is to be seen, relative to one that is always recognized (N,).

    Raises OSError, naming the command that writes `path`, where it is missing, damaged or of another catalogue.
    """
    try:
        shares = json.loads(path.read_text())
        often = [MOST_OFTEN - (MOST_OFTEN - 1) * float(shares[item.codepoint]) for item in read_catalogue("train")]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing: run `make hard-objects` first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(
            f"{path} lacks shares of this catalogue's objects ({error!r}): run `make hard-objects`"
        ) from error
    return torch.tensor(often)
