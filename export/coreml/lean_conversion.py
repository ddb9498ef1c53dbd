"""What conversion to an ML program leaves out for the graphs of `joint_graph`: the same operations in less time.

tests/test_export_coreml_convert.py compares with all of it left in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

from torch._export.verifier import Verifier
from torch.export import ExportedProgram

from export.coreml.quiet import Block, Program


def as_aten(program: ExportedProgram) -> ExportedProgram:
    """What `program.run_decompositions({})` gives, without running the graph anew: what `joint_graph` makes is
    functional, and coremltools knows its one composite operation, reshape.
    """
    return program._update(program.graph_module, program.graph_signature, verifiers=[Verifier])


@contextlib.contextmanager
def lean_conversion() -> Iterator[None]:
    """Without what coremltools does for the whole program around each of a hundred passes."""
    with (
        # The interpreter checks what comes out.
        mock.patch.object(Program, "validate", lambda *_, **__: None),
        # It is written out for a log that does not keep it.
        mock.patch.object(Program, "__str__", object.__repr__),
        # Sets of weights to be decompressed at run time: `compress` makes the first of them afterwards.
        mock.patch.object(Block, "_propagate_nonreplaceable_vars", lambda _: None),
    ):
        yield
