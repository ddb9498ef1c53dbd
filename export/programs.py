"""Makes every method's program and compares it with the modules it came from, several methods at a time.

Lowering is Python walking graphs, one core whatever the machine: processes are what makes it faster.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from export.joint_graph import trace
from export.lower import Lowered, lower
from export.methods import Method, Options, adapter_specs, all_methods
from export.parity import Parity, compare
from export.pipeline import load_pipeline
from export.reference import Reference
from models import manifest as mf


@dataclass(frozen=True)
class Program:
    """A method as the manifest lists it, the tensors it takes and gives, what it is made of and how exact it is."""

    method: mf.Method
    tensors: dict[str, mf.TensorSpec]
    lowered: Lowered
    parity: Parity


def tensor_spec(tensor: Tensor) -> mf.TensorSpec:
    return mf.TensorSpec(list(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def make_program(method: Method, reference: Reference, folder: Path) -> Program:
    """Trace, lower, write and compare `method`; its file is `folder`/methods/<name>.pte."""
    example = method.example(0)
    graph = trace(method.function, example)
    path = f"methods/{method.name}.pte"
    lowered = lower(graph, example, folder / path)
    with torch.no_grad():
        outputs = graph(*example)
    named = [*zip(method.inputs, example, strict=True), *zip(method.outputs, outputs, strict=True)]
    tensors: dict[str, mf.TensorSpec] = {}
    add_tensors(tensors, {name: tensor_spec(tensor) for name, tensor in named})
    program = mf.Program(path, method.inputs, method.outputs)
    backward = method.name == "train_step"
    stage = mf.Stage(method.name, None if backward else program, program if backward else None)
    return Program(mf.Method([stage]), tensors, lowered, compare(method, folder / path, reference))


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
        torch.set_num_threads(1)
        pipeline = load_pipeline(folder)
        cls.methods = {method.name: method for method in all_methods(pipeline, options)}
        cls.reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)

    @classmethod
    def make(cls, name: str, folder: Path) -> Program:
        return make_program(cls.methods[name], cls.reference, folder)


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
    """Programs of the methods `names` of the pipeline folder `pipeline`, `jobs` at a time, in the order of `names`.

    Raises OSError when a process was killed, and whatever `load_pipeline` and `compare` raise.
    """
    (folder / "methods").mkdir()
    made: dict[str, Program] = {}
    with tqdm(total=len(names), desc="exporting", unit="program", disable=None) as progress:
        for name, program in _finished(pipeline, options, names, folder, jobs):
            made[name] = program
            progress.set_postfix_str(name)
            progress.update()
    return {name: made[name] for name in names}
