"""coremltools without what it says of the machine and shows of its passes: that there is no Core ML here is known."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

_before = logging.root.manager.disable
logging.disable(logging.WARNING)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import coremltools
    import coremltools.optimize.coreml as optimize
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.milproto.load import load as load_program
    from coremltools.converters.mil.mil import Block, Program, types
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.converters.mil.mil.passes.helper import block_context_manager
    from coremltools.converters.mil.mil.passes.pass_registry import register_pass
    from coremltools.models.utils import _apply_graph_pass as apply_graph_pass
    from coremltools.optimize import _utils as optimize_utils
logging.disable(_before)
coremltools._logger.setLevel(logging.ERROR)


@contextlib.contextmanager
def without_progress() -> Iterator[None]:
    """Inside, coremltools shows no bar for each of its passes, nor warns of a PyTorch newer than it knows."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


__all__ = [
    "AbstractGraphPass",
    "Block",
    "Builder",
    "Program",
    "apply_graph_pass",
    "block_context_manager",
    "coremltools",
    "load_program",
    "optimize",
    "optimize_utils",
    "register_pass",
    "types",
    "without_progress",
]
