"""Clean-up passes over a traced graph of ATen operations; at the end, which of them a target wants, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

aten = torch.ops.aten

ALIASES = {
    aten.alias.default,
    aten.detach.default,
    aten.lift_fresh_copy.default,
    aten.lift_fresh.default,
    aten.clone.default,
}
VIEWS = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.squeeze.default,
    aten.unsqueeze.default,
}
ARITHMETIC = {aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor}


Pass = Callable[[GraphModule], None]
"""Changes a graph in place."""


def clean_up(module: GraphModule, passes: Sequence[Pass]) -> GraphModule:
    """A module of the cleaned graph and the constants it reads."""
    for one_pass in passes:
        one_pass(module)
        module.graph.eliminate_dead_code()
    used = {str(node.target): constant_of(module, node) for node in module.graph.nodes if is_constant(node)}
    # Built anew from what the graph reads: a constant left behind in the module would be written to the program.
    return GraphModule(used, module.graph)


def check_outputs(module: GraphModule) -> None:
    """Raise ValueError where an output only aliases an input or another output: ExecuTorch would never write it."""
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    sources = [_source(node) for node in output.all_input_nodes]
    for node, source in zip(output.all_input_nodes, sources, strict=True):
        if source.op == "placeholder":
            raise ValueError(f"output {node} is the input {source}: ExecuTorch would never write it")
    if len(set(sources)) != len(output.args[0]):
        raise ValueError("an output occurs twice: ExecuTorch would write it once")


def value(node: Any) -> Any:
    return node.meta["val"] if isinstance(node, Node) else node


def shape(node: Node) -> list[int]:
    return [int(size) for size in node.meta["val"].shape]


def is_constant(node: Any) -> bool:
    return isinstance(node, Node) and node.op == "get_attr"


def constant_of(module: GraphModule, node: Node) -> Tensor:
    owner: Any = module
    for part in str(node.target).split("."):
        owner = getattr(owner, part)
    return owner


def new_constant(module: GraphModule, tensor: Tensor) -> Node:
    """A new buffer, read where the graph's insertion point is."""
    name = f"constant_{len(module._buffers)}"
    # A copy of its own: the lowering writes a view's whole storage, from its start.
    module.register_buffer(name, tensor.detach().clone(memory_format=torch.contiguous_format))
    node = module.graph.get_attr(name)
    node.meta["val"] = torch.empty_like(tensor, device="meta")
    return node


def call(graph: Graph, target: Callable[..., Any], *args: Any) -> Node:
    """A new call with its `val` worked out on meta tensors."""
    node = graph.call_function(target, args)
    node.meta["val"] = target(*[_meta(arg) for arg in args])
    return node


def _meta(arg: Any) -> Any:
    if isinstance(arg, Node):
        return torch.empty(shape(arg), dtype=arg.meta["val"].dtype, device="meta")
    return arg


def replace(node: Node, by: Node) -> None:
    node.replace_all_uses_with(by)
    node.graph.erase_node(node)


def calls(module: GraphModule) -> list[Node]:
    return [node for node in module.graph.nodes if node.op == "call_function"]


def name_constants(module: GraphModule) -> None:
    """Every tensor the trace captured becomes one buffer, read by one node at the top."""
    by_identity: dict[tuple[Any, ...], Node] = {}
    first = next(iter(module.graph.nodes))
    for node in [node for node in module.graph.nodes if node.op == "get_attr"]:
        tensor = constant_of(module, node)
        key = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if key not in by_identity:
            with module.graph.inserting_before(first):
                by_identity[key] = new_constant(module, tensor)
        replace(node, by_identity[key])


def drop_aliases(module: GraphModule) -> None:
    for node in calls(module):
        if node.target in ALIASES:
            replace(node, node.args[0])


def fold_constants(module: GraphModule) -> None:
    """Whatever depends on constants only is computed now; equal computations are shared."""
    done: dict[str, Node] = {}
    for node in calls(module):
        inputs = node.all_input_nodes
        if not all(is_constant(x) for x in inputs) or not isinstance(node.meta.get("val"), Tensor):
            continue
        key = f"{node.target} {node.args} {node.kwargs}"
        if key not in done:
            load = lambda x: constant_of(module, x)  # noqa: E731
            args = torch.fx.node.map_arg(node.args, load)
            kwargs = {k: v for k, v in node.kwargs.items() if k != "device"}
            with torch.no_grad(), module.graph.inserting_before(node):
                done[key] = new_constant(module, node.target(*args, **kwargs))
        replace(node, done[key])


def transposed_weights_to_linear(module: GraphModule) -> None:
    """mm and addmm by a transposed constant become `linear` by the constant itself.

    The product of the backward pass has it as it is (transposed twice): one constant serves both.
    """
    graph = module.graph
    for node in calls(module):
        if node.target not in (aten.mm.default, aten.addmm.default):
            continue
        bias, left, right = (None, *node.args) if node.target == aten.mm.default else node.args
        weight, transposed = _untransposed(right)
        if not is_constant(weight):
            continue
        with graph.inserting_before(node):
            if transposed:
                replace(node, call(graph, aten.linear.default, left, weight, bias))
            elif bias is None:
                replace(node, call(graph, aten.mm.default, left, weight))


def _untransposed(node: Node) -> tuple[Node, bool]:
    """What a matrix came from by any number of transpositions, and whether it is its transpose."""
    transposed = False
    while node.op == "call_function" and node.target == aten.permute.default and node.args[1] == [1, 0]:
        node, transposed = node.args[0], not transposed  # type: ignore[assignment]
    return node, transposed


def products_to_linear(module: GraphModule) -> None:
    """mm and addmm by a constant become `linear`, other products `bmm`: the forms XNNPACK has."""
    graph = module.graph
    transposed: dict[Node, Node] = {}
    for node in calls(module):
        if node.target not in (aten.mm.default, aten.addmm.default):
            continue
        bias, left, right = (None, *node.args) if node.target == aten.mm.default else node.args
        with graph.inserting_before(node):
            if is_constant(right):
                if right not in transposed:
                    transposed[right] = new_constant(module, constant_of(module, right).t())
                new = call(graph, aten.linear.default, left, transposed[right], bias)
            elif bias is None:
                batched = [call(graph, aten.reshape.default, x, [1, *shape(x)]) for x in (left, right)]
                new = call(graph, aten.bmm.default, *batched)
                new = call(graph, aten.reshape.default, new, shape(node))
            else:
                raise NotImplementedError("addmm with a weight that is no constant")
        replace(node, new)


def views_to_reshapes(module: GraphModule) -> None:
    """Every view becomes one reshape of the tensor it came from, or nothing; `linear` keeps leading dimensions."""
    graph = module.graph
    for node in calls(module):
        if node.target in VIEWS:
            with graph.inserting_before(node):
                replace(node, _reshape(graph, node.args[0], shape(node)))
        elif node.target == aten.expand.default and shape(node) == shape(node.args[0]):
            replace(node, node.args[0])
        elif node.target == aten.linear.default and _source(node.args[0]) is not node.args[0]:
            source = _source(node.args[0])
            if shape(source)[-1:] == shape(node.args[0])[-1:]:
                with graph.inserting_before(node):
                    new = call(graph, aten.linear.default, source, *node.args[1:])
                    new = _reshape(graph, new, shape(node))
                replace(node, new)


def _source(node: Node) -> Node:
    while node.op == "call_function" and node.target in VIEWS:
        node = node.args[0]  # type: ignore[assignment]
    return node


def _reshape(graph: Graph, node: Node, size: list[int]) -> Node:
    source = _source(node)
    return source if shape(source) == size else call(graph, aten.reshape.default, source, size)


def float_scalars(module: GraphModule) -> None:
    """Whole-number scalars in float arithmetic become floats (a cast each otherwise); ×1 and +0 vanish."""
    for node in calls(module):
        if node.target not in ARITHMETIC or value(node).dtype != torch.float32:
            continue
        node.args = tuple(float(x) if isinstance(x, int) else x for x in node.args)
        neutral = 1.0 if node.target in (aten.mul.Tensor, aten.div.Tensor) else 0.0
        if node.args[1] == neutral and shape(node) == shape(node.args[0]):
            replace(node, node.args[0])


def separate_constants(module: GraphModule) -> None:
    """4-D constants get a copy for each use.

    XNNPACK's layout pass wants one layout for all uses of a constant, and stores a weight once, in the layout of the
    first convolution that reads it: a transposed convolution by the same weight would read it wrongly, and silently.
    """
    for node in [node for node in module.graph.nodes if is_constant(node)]:
        tensor = constant_of(module, node)
        if tensor.ndim != 4:
            continue
        for user in list(node.users)[1:]:
            with module.graph.inserting_before(user):
                user.replace_input_with(node, new_constant(module, tensor.clone()))


XNNPACK_PASSES: tuple[Pass, ...] = (
    name_constants,
    drop_aliases,
    fold_constants,
    products_to_linear,
    views_to_reshapes,
    float_scalars,
    separate_constants,
)
COREML_PASSES: tuple[Pass, ...] = (
    name_constants,
    drop_aliases,
    transposed_weights_to_linear,
    fold_constants,
    views_to_reshapes,
    float_scalars,
)
