"""Makes every method's program, several at a time, and compares each method with the modules it came from.

Lowering is Python walking graphs, one core whatever the machine: processes are what makes it faster.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from export.joint_graph import trace
from export.methods import Method, Options, adapter_specs, all_methods
from export.parity import Parity, as_called, compare
from export.pipeline import Pipeline, load_pipeline
from export.reference import Reference
from export.run_stages import run_stages
from export.stage_methods import in_stages, stage_methods
from export.target import Lowered, Run, Target
from models import manifest as mf


@dataclass(frozen=True)
class Program:
    """A program as the manifest lists it, the tensors it takes and gives, and what it is made of."""

    program: mf.Program
    tensors: dict[str, mf.TensorSpec]
    lowered: Lowered


def program_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    """A `Method` for every program of the bundle: one a method, one a stage and direction where they are staged."""
    for method in all_methods(pipeline, options):
        if not (options.staged and method.name in mf.STAGED_METHODS):
            yield method
    if options.staged:
        yield from stage_methods(pipeline, options)


def tensor_spec(tensor: Tensor) -> mf.TensorSpec:
    return mf.TensorSpec(list(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def make_program(method: Method, target: Target, folder: Path) -> Program:
    """Trace `method` and write its program under the bundle's `folder`."""
    example = method.example(0)
    graph = trace(method.function, example, target.passes)
    program, lowered = target.write(graph, example, method, folder)
    outputs = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    named = [
        *zip(method.inputs, example, strict=True),
        *((name, node.meta["val"]) for name, node in zip(method.outputs, outputs, strict=True)),
    ]
    tensors: dict[str, mf.TensorSpec] = {}
    for name, tensor in named:
        add_tensors(tensors, {name: tensor_spec(tensor)})
    return Program(program, tensors, lowered)


def manifest_methods(programs: dict[str, mf.Program]) -> dict[str, mf.Method]:
    """The manifest's `methods`, of the programs by the names `program_methods` gives them."""
    methods = {}
    for name, program in programs.items():
        method, in_stage, _ = name.partition("/")
        if in_stage:
            methods[method] = in_stages(method, programs)
        elif name == "train_step":
            methods[name] = mf.Method([mf.Stage(name, None, program)])
        else:
            methods[name] = mf.Method([mf.Stage(name, program, None)])
    return methods


def compare_all(
    pipeline: Pipeline, options: Options, methods: dict[str, mf.Method], folder: Path, target: Target
) -> list[Parity]:
    """How exact every method of the bundle in `folder` is, run stage after stage as the core does."""
    reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)
    results = []
    for method in tqdm([*all_methods(pipeline, options)], desc="comparing", unit="method", disable=None):
        run = _runner(methods[method.name], method, partial(target.load, folder))
        results.append(compare(method, as_called(run, method.name, target.train_precision), reference))
    return results


def _runner(whole: mf.Method, method: Method, load: Callable[[mf.Program], Run]) -> Run:
    """A method of one stage is loaded once; one of several stage by stage, each let go before the next."""
    if len(whole.stages) > 1:
        return partial(run_stages, whole, method, load)
    (stage,) = whole.stages
    program = stage.forward or stage.backward
    assert program is not None
    return load(program)


def add_tensors(known: dict[str, mf.TensorSpec], more: dict[str, mf.TensorSpec]) -> None:
    """Add `more` to `known`; a name means one shape in the whole bundle."""
    for name, spec in more.items():
        if known.setdefault(name, spec) != spec:
            raise AssertionError(f"tensor {name} has two shapes")


class _Worker:
    """A process of the pool: its own copy of the methods."""

    methods: dict[str, Method]
    target: Target

    @classmethod
    def begin(cls, folder: Path, options: Options, target: Target) -> None:
        end_with_parent()
        torch.set_num_threads(1)
        pipeline = load_pipeline(folder)
        cls.methods = {method.name: method for method in program_methods(pipeline, options)}
        cls.target = target

    @classmethod
    def make(cls, name: str, folder: Path) -> Program:
        return make_program(cls.methods[name], cls.target, folder)


def end_with_parent() -> None:
    """Let this process end when the one that started it does: a pool's worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _finished(
    pipeline: Path, options: Options, target: Target, names: list[str], folder: Path, jobs: int
) -> Iterator[tuple[str, Program]]:
    """Every method as it is finished; the last of `names`, the largest, are begun first."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_Worker.begin, initargs=(pipeline, options, target))
    try:
        running = {pool.submit(_Worker.make, name, folder): name for name in reversed(names)}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise OSError(
            f"a process of the export was killed; if memory ran out, use fewer at a time (--jobs, now {jobs})"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def make_programs(
    pipeline: Path, options: Options, target: Target, names: list[str], folder: Path, jobs: int
) -> dict[str, Program]:
    """Programs `names` (see `program_methods`) of the pipeline folder, `jobs` at a time, in the order of `names`.

    Raises OSError when a process was killed, and whatever `load_pipeline` and `target.write` raise.
    """
    made: dict[str, Program] = {}
    with tqdm(total=len(names), desc="exporting", unit="program", disable=None) as progress:
        for name, program in _finished(pipeline, options, target, names, folder, jobs):
            made[name] = program
            progress.set_postfix_str(name)
            progress.update()
    return {name: made[name] for name in names}
