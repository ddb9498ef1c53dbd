"""How a program of the default model ends: its exit status, and a message where it could not go on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from server_distill.evaluation.error import EvaluationError
from server_distill.training.checkpoints import CheckpointError
from server_distill.training.loop import NotFiniteError


def exit_status(run: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    """0 after `run(args)`; 1 where it raised CheckpointError, EvaluationError, NotFiniteError or OSError, whose message
    is printed.
    """
    try:
        run(args)
    except (CheckpointError, EvaluationError, NotFiniteError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
