"""Lowers a traced graph to an ExecuTorch program through XNNPACK."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from torch import Tensor
from torch.fx import GraphModule

from export.lean_lowering import LeanPartitioner, lean_lowering, shapes_only
from export.target import Lowered

FUNCTION = "forward"
"""What `lower` calls the one function of a program, as `to_edge_transform_and_lower` does."""


def lower(graph: GraphModule, inputs: Sequence[Tensor], path: Path) -> Lowered:
    """Write the program of `graph`, one function `FUNCTION`, to `path`.

    Inputs and outputs are the caller's memory, so nothing is copied and a caller may keep an output.
    """
    contiguous = tuple(x.clone(memory_format=torch.contiguous_format) for x in inputs)
    with lean_lowering(), torch.no_grad():
        exported = torch.export.export(graph, contiguous, strict=False)
        edge = to_edge_transform_and_lower(
            exported,
            partitioner=[LeanPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
        shapes_only(edge.exported_program().graph_module)
        nodes = edge.exported_program().graph_module.graph.nodes
        targets = [str(node.target) for node in nodes if node.op == "call_function"]
        program = edge.to_executorch(
            ExecutorchBackendConfig(
                memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False)
            )
        )
        with open(path, "wb") as file:
            program.write_to_file(file)
    names = Counter(re.sub(r"^<EdgeOpOverload: (.*?)>.*$", r"\1", target, flags=re.S) for target in targets)
    delegates = names.pop("executorch_call_delegate", 0)
    names.pop("<built-in function getitem>", None)
    return Lowered(path.stat().st_size, {"delegates": delegates}, dict(names))
