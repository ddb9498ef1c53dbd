"""What lowering to ExecuTorch leaves out for the graphs of `joint_graph`: the same bytes in less than half the time.

Lowering is Python that walks a graph of thousands of nodes once a pass. tests/test_export_lower.py compares what is
written with what is written with all of it left in, but for `no_ancestry`: debug handles get other numbers by it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from unittest import mock

import torch
from executorch.backends.xnnpack import xnnpack_preprocess
from executorch.backends.xnnpack._passes import XNNPACKPassManager
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig
from executorch.exir.lowered_backend_module import LoweredBackendModule
from executorch.exir.program import _program
from executorch.exir.program._program import _get_aten_to_edge_passes
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule
from torch.fx.traceback import NodeSource

aten = torch.ops.aten
_run_decompositions = ExportedProgram.run_decompositions

SKIPPED_PASSES = {
    # To the edge dialect: of symbolic shapes, mixed types, in-place operations.
    "NormalizeTransposePass",
    "ReplaceBrokenOpsWithFunctionalOpsPass",
    "SymToTensorPass",
    "RemoveMixedTypeOperators",
    # XNNPACK's: of normalizations, quantization, whole attention, products that `graph_passes` has rewritten.
    "ConvertToUpsampleBilinear2d",
    "ConvertToLinearPass",
    "PropagateCustomMetaPass",
    "ConvertToSDPAPass",
    "ConstPropPass",
    "FuseBatchNormPass",
    "DecomposeBatchNorm",
    "FuseActivationPass",
    "RemoveGetItemPass",
    "InsertPadQDQPass",
    "Conv1dUnsqueezePass",
    "PReLUReshapePass",
}
"""Passes for operations no graph here holds. Each runs the whole graph anew: together, most of the time of lowering."""


def _needed(passes: Iterable[Any]) -> list[Any]:
    """`passes`, classes or instances, without those to skip."""
    return [one for one in passes if (one if isinstance(one, type) else type(one)).__name__ not in SKIPPED_PASSES]


class LeanPartitioner(XnnpackPartitioner):
    """Keeps whole every operation that XNNPACK may want whole, whatever its arguments.

    Asking for each node as well costs two more decompositions of the graph, a fifth of the time of lowering, and every
    operation of these graphs is one that XNNPACK takes in any form that occurs here.
    """

    def ops_to_not_decompose(self, ep: ExportedProgram) -> tuple[list[Any], None]:
        return super().ops_to_not_decompose(ep)[0], None


class _NeededPasses(XNNPACKPassManager):
    passes: list[Any]

    def transform(self) -> ExportedProgram:
        self.passes = _needed(self.passes)
        return super().transform()


def _needed_edge_passes(config: EdgeCompileConfig) -> tuple[list[Any], list[Any]]:
    before, after = _get_aten_to_edge_passes(config)
    return _needed(before), _needed(after)


def _decomposed(self: ExportedProgram, table: Mapping[Any, Any] | None = None) -> ExportedProgram:
    """`run_decompositions`, but with no `table` the graph is edited and not run anew: what `joint_graph` makes is
    functional, and of the core ATen set but for its reshapes.
    """
    if table:
        return _run_decompositions(self, table)
    graph = self.graph
    for node in graph.find_nodes(op="call_function", target=aten.reshape.default):
        source, size = node.args
        try:
            source.meta["val"].view(size)
        except ValueError:  # no view of it has that shape
            with graph.inserting_before(node):
                source = graph.call_function(aten.clone.default, (source,), {"memory_format": torch.contiguous_format})
            source.meta = {**node.meta, "val": node.args[0].meta["val"].clone(memory_format=torch.contiguous_format)}
        node.target, node.args = aten.view.default, (source, size)
    return self


def no_ancestry(self: NodeSource, *_: object, **__: object) -> None:
    """In place of NodeSource(): the record of what a node came of is copied whole at every pass, and unused here."""
    self.pass_name, self.action, self.node_info, self.from_node = "", [], None, []
    self._action_string = self._dict = None


@contextlib.contextmanager
def lean_lowering() -> Iterator[None]:
    """Without passes and records that no graph here needs, and without warnings about lowering's own internals."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            mock.patch.object(xnnpack_preprocess, "XNNPACKPassManager", _NeededPasses),
            mock.patch.object(_program, "_get_aten_to_edge_passes", _needed_edge_passes),
            mock.patch.object(ExportedProgram, "run_decompositions", _decomposed),
            mock.patch.object(NodeSource, "__init__", no_ancestry),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def shapes_only(module: GraphModule) -> None:
    """Let passes that follow see a delegate's output shapes without running its whole graph again, once a pass."""
    for child in module.children():
        if not isinstance(child, LoweredBackendModule):
            continue
        program = child.original_module
        (output,) = (node for node in program.graph.nodes if node.op == "output")
        specs = [(tuple(node.meta["val"].shape), node.meta["val"].dtype) for node in output.args[0]]

        def run(*_: object, specs: list[Any] = specs) -> tuple[Tensor, ...]:
            return tuple(torch.empty(shape, dtype=dtype) for shape, dtype in specs)

        program.module = lambda run=run: run
