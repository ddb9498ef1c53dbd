"""Makes every method's program and compares it with the modules it came from, several methods at a time.

Lowering is Python walking graphs, one core whatever the machine: processes are what makes it faster.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from export.joint_graph import trace
from export.lower import Lowered, lower
from export.methods import Method, Options, adapter_specs, all_methods
from export.parity import Parity, Run, compare
from export.parity import Program as LoadedProgram
from export.pipeline import Pipeline, load_pipeline
from export.reference import Reference
from export.run_stages import run_stages
from export.stage_methods import in_stages, stage_methods
from models import manifest as mf


@dataclass(frozen=True)
class Program:
    """A program as the manifest lists it, the tensors it takes and gives, what it is made of and how exact it is.

    A stage's program has no `parity`: its whole method is compared, stage after stage (`compare_staged`).
    """

    program: mf.Program
    tensors: dict[str, mf.TensorSpec]
    lowered: Lowered
    parity: Parity | None


def program_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    """A `Method` for every program of the bundle: one a method, one a stage and direction where they are staged."""
    for method in all_methods(pipeline, options):
        if not (options.staged and method.name in mf.STAGED_METHODS):
            yield method
    if options.staged:
        yield from stage_methods(pipeline, options)


def tensor_spec(tensor: Tensor) -> mf.TensorSpec:
    return mf.TensorSpec(list(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def make_program(method: Method, reference: Reference, folder: Path) -> Program:
    """Trace, lower, write and compare `method`; its file is `folder`/methods/<name>.pte."""
    example = method.example(0)
    graph = trace(method.function, example)
    path = f"methods/{method.name}.pte"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    lowered = lower(graph, example, folder / path)
    with torch.no_grad():
        outputs = graph(*example)
    named = [*zip(method.inputs, example, strict=True), *zip(method.outputs, outputs, strict=True)]
    tensors: dict[str, mf.TensorSpec] = {}
    add_tensors(tensors, {name: tensor_spec(tensor) for name, tensor in named})
    staged = "/" in method.name
    parity = None if staged else compare(method, LoadedProgram(folder / path).run, reference)
    return Program(mf.Program(path, method.inputs, method.outputs), tensors, lowered, parity)


def manifest_methods(programs: dict[str, Program]) -> dict[str, mf.Method]:
    """The manifest's `methods`, of the programs by the names `program_methods` gives them."""
    methods = {}
    for name, made in programs.items():
        method, in_stage, _ = name.partition("/")
        if in_stage:
            methods[method] = in_stages(method, {key: one.program for key, one in programs.items()})
        elif name == "train_step":
            methods[name] = mf.Method([mf.Stage(name, None, made.program)])
        else:
            methods[name] = mf.Method([mf.Stage(name, made.program, None)])
    return methods


def compare_staged(
    pipeline: Pipeline, options: Options, methods: dict[str, mf.Method], folder: Path
) -> dict[str, Parity]:
    """How exact the staged methods are as a whole, run stage after stage as the core does; empty where none is."""
    if not options.staged:
        return {}
    reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)

    def load(program: mf.Program) -> Run:
        return LoadedProgram(folder / program.program).run

    return {
        method.name: compare(method, partial(run_stages, methods[method.name], method, load), reference)
        for method in all_methods(pipeline, options)
        if method.name in mf.STAGED_METHODS
    }


def add_tensors(known: dict[str, mf.TensorSpec], more: dict[str, mf.TensorSpec]) -> None:
    """Add `more` to `known`; a name means one shape in the whole bundle."""
    for name, spec in more.items():
        if known.setdefault(name, spec) != spec:
            raise AssertionError(f"tensor {name} has two shapes")


class _Worker:
    """A process of the pool: its own copy of the methods and of the modules they are compared with."""

    methods: dict[str, Method]
    reference: Reference

    @classmethod
    def begin(cls, folder: Path, options: Options) -> None:
        end_with_parent()
        torch.set_num_threads(1)
        pipeline = load_pipeline(folder)
        cls.methods = {method.name: method for method in program_methods(pipeline, options)}
        cls.reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)

    @classmethod
    def make(cls, name: str, folder: Path) -> Program:
        return make_program(cls.methods[name], cls.reference, folder)


def end_with_parent() -> None:
    """Let this process end when the one that started it does: a pool's worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _finished(
    pipeline: Path, options: Options, names: list[str], folder: Path, jobs: int
) -> Iterator[tuple[str, Program]]:
    """Every method as it is finished; the last of `names`, the largest, are begun first."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_Worker.begin, initargs=(pipeline, options))
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


def make_programs(pipeline: Path, options: Options, names: list[str], folder: Path, jobs: int) -> dict[str, Program]:
    """Programs `names` (see `program_methods`) of the pipeline folder, `jobs` at a time, in the order of `names`.

    Raises OSError when a process was killed, and whatever `load_pipeline` and `compare` raise.
    """
    made: dict[str, Program] = {}
    with tqdm(total=len(names), desc="exporting", unit="program", disable=None) as progress:
        for name, program in _finished(pipeline, options, names, folder, jobs):
            made[name] = program
            progress.set_postfix_str(name)
            progress.update()
    return {name: made[name] for name in names}
