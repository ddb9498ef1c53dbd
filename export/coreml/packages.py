"""Puts methods that have weights in common into one package, as functions that store them once (iOS 18)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from export.coreml.names import feature_name
from export.coreml.quiet import coremltools as ct
from export.coreml.quiet import without_progress
from models import manifest as mf

SHARED = {"denoise": "unet", "train_step": "unet", "encode_text": "text", "encode_text_vjp": "text"}
"""Methods of the same weights → their package. `project_kv.<kind>` and its gradient share one named for the kind."""


def package_of(program: str) -> str:
    """The package, without suffix, of a program as `export.programs.program_methods` names it.

    The stages of `denoise` and `train_step` are the same layers: a package a stage.
    """
    method, _, stage = program.partition("/")
    name, _, kind = method.partition(".")
    if name.startswith("project_kv"):
        return f"project_kv.{kind}"
    package = SHARED.get(name, name)
    return f"{package}/{stage.rpartition('.')[0]}" if stage else package


def function_of(program: str) -> str:
    """`train_step/mid.backward` → `train_step_backward`, `project_kv.lora` → `project_kv_lora`."""
    method, _, stage = program.partition("/")
    direction = stage.rpartition(".")[2]
    return feature_name(f"{method}_{direction}" if direction else method)


def grouped(programs: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for program in programs:
        groups.setdefault(package_of(program), []).append(program)
    return groups


def merge(programs: dict[str, mf.Program], folder: Path) -> dict[str, mf.Program]:
    """Replace the packages of `programs`, one a program, by shared ones; the programs as they lie then."""
    placed: dict[str, mf.Program] = {}
    merged = folder / "merged"
    for package, names in grouped(programs).items():
        path = f"methods/{package}.mlpackage"
        descriptor = ct.utils.MultiFunctionDescriptor()
        for name in names:
            descriptor.add_function(str(folder / programs[name].program), "main", function_of(name))
        descriptor.default_function_name = function_of(names[0])
        (merged / path).parent.mkdir(parents=True, exist_ok=True)
        with without_progress():
            ct.utils.save_multifunction(descriptor, str(merged / path))
        for name in names:
            placed[name] = replace(programs[name], program=path, function=function_of(name))
    shutil.rmtree(folder / "methods")
    (merged / "methods").rename(folder / "methods")
    merged.rmdir()
    return {name: placed[name] for name in programs}
