"""A whole Core ML bundle of a very small model: what lies in it, and the check that is meant for a Mac."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from export import coreml_check, inspect_bundle, make_bundle
from export.coreml.interpreter import Package, PackageError
from export.coreml.packages import function_of, package_of
from export.coreml.vectors import VectorsError, read_vectors
from models import manifest as mf
from tests.bundles import make_tiny_model

pytestmark = pytest.mark.slow

SHARED = {
    "methods/text.mlpackage": {"encode_text", "encode_text_vjp"},
    "methods/project_kv.full.mlpackage": {"project_kv_full", "project_kv_vjp_full"},
    "methods/project_kv.lora.mlpackage": {"project_kv_lora", "project_kv_vjp_lora"},
    "methods/unet.mlpackage": {"denoise", "train_step"},
    "methods/encode_image.mlpackage": {"encode_image"},
    "methods/decode_latents.mlpackage": {"decode_latents"},
}


def export(folder: Path, *arguments: str) -> Path:
    """`folder`, with a model, the bundle made of it, its report and vectors."""
    make_tiny_model(folder / "model")
    places = ["--model", str(folder / "model"), "--output", str(folder / "bundle")]
    sizes = ["--train-batch", "2", "--denoise-batch", "1", "--text-batch", "2", "--lora-rank", "3", "--name", "tiny"]
    report = ["--report", str(folder / "report.json")]
    assert make_bundle.main(["--target", "coreml", *places, *sizes, *report, *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("coreml"))


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("coreml_staged"), "--staged")


def packages_of(bundle: Path) -> dict[str, set[str]]:
    """Package → functions of it, as the manifest names them."""
    found: dict[str, set[str]] = {}
    for method in mf.read(bundle).methods.values():
        for stage in method.stages:
            for program in (stage.forward, stage.backward):
                if program is not None:
                    found.setdefault(program.program, set()).add(program.function)
    return found


def test_methods_of_the_same_weights_are_functions_of_one_package(exported: Path) -> None:
    manifest = mf.read(exported / "bundle")
    assert (manifest.backend, manifest.train_precision) == ("coreml", "float16")
    found = packages_of(exported / "bundle")
    assert found == SHARED
    for path, functions in found.items():
        assert set(Package(exported / "bundle" / path).functions) == functions
    (weights,) = (exported / "bundle" / "methods" / "unet.mlpackage").rglob("weight.bin")
    unet = load_file(str(exported / "model" / "unet" / "diffusion_pytorch_model.safetensors"))
    each_once = 2 * sum(tensor.numel() for tensor in unet.values())
    # More: an upsampler's kernel is 4×4 instead of 3×3, and every constant has a header and is padded to 64 bytes.
    # Less: the cross-attentions' K and V are inputs.
    assert weights.stat().st_size < 1.4 * each_once


def test_a_stage_is_one_package(staged: Path) -> None:
    """Denoising and training, forward and backward, share its weights."""
    found = packages_of(staged / "bundle")
    stages = {path: functions for path, functions in found.items() if path.startswith("methods/unet/")}
    assert len(stages) > 5 and "methods/unet.mlpackage" not in found
    forward = {"denoise_forward", "train_step_forward", "train_step_backward"}
    assert max(stages.values(), key=len) == forward
    for path, functions in stages.items():
        assert set(Package(staged / "bundle" / path).functions) == functions


def test_the_check_runs_a_method_stage_after_stage(staged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(staged) == 0
    assert "\ntrain_step " in capsys.readouterr().out


def test_names_and_types_are_the_manifests(exported: Path) -> None:
    manifest = mf.read(exported / "bundle")
    program = manifest.methods["encode_text_vjp"].stages[0].forward
    assert program is not None
    inputs, outputs = Package(exported / "bundle" / program.program).signature(program.function)
    spec = manifest.tensors
    assert inputs["token_ids"] == (tuple(spec["token_ids"].shape), torch.int32)
    assert inputs["d_hidden"] == (tuple(spec["hidden"].shape), torch.float32)
    assert outputs == {"d_modifier_embeddings": (tuple(spec["modifier_embeddings"].shape), torch.float32)}


def check(exported: Path, *arguments: str) -> int:
    places = [str(exported / "bundle"), "--vectors", str(exported / "vectors")]
    return coreml_check.main([*places, "--on", "interpreter", "--repeats", "1", *arguments])


def test_the_check_passes_and_says_what_it_saw(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_bundle.main([str(exported / "bundle")]) == 0
    assert "coreml" in capsys.readouterr().out
    assert check(exported) == 0
    shown = capsys.readouterr().out
    assert all(shown.count(f"\n{method} ") == 2 for method in mf.read(exported / "bundle").methods)


def test_the_check_fails_where_a_program_gives_something_else(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(exported, tmp_path / "copy")
    path = tmp_path / "copy" / "vectors" / "denoise.safetensors"
    with safe_open(str(path), "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors["out:model_output.denoise"] = tensors["out:model_output.denoise"] * 1.2
    save_file(tensors, str(path), metadata)
    assert check(tmp_path / "copy") == 1
    assert "denoise: model_output.denoise: relative error" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["missing", "truncated", "no order"])
def test_vectors_that_cannot_be_read_are_named(exported: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(exported / "vectors", tmp_path / "vectors")
    path = tmp_path / "vectors" / "denoise.safetensors"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        save_file({"in:t": torch.zeros(1)}, str(path), {"bounds": "{}"})
    with pytest.raises(VectorsError, match=r"denoise\.safetensors: .*export the bundle again"):
        read_vectors(tmp_path / "vectors", "denoise")


def test_truncated_weights_are_named(exported: Path, tmp_path: Path) -> None:
    package = tmp_path / "unet.mlpackage"
    shutil.copytree(exported / "bundle" / "methods" / "unet.mlpackage", package)
    (weights,) = package.rglob("weight.bin")
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(PackageError, match=r"unet\.mlpackage cannot be read"):
        Package(package)


@pytest.mark.skipif(sys.platform == "darwin", reason="there is Core ML here")
def test_without_core_ml_the_check_says_so(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert coreml_check.main([str(exported / "bundle"), "--vectors", str(exported / "vectors")]) == 1
    assert "--on interpreter" in capsys.readouterr().err


def test_programs_and_their_packages() -> None:
    stage = "train_step/down_blocks.0.resnets.0.1.backward"
    assert (
        package_of(stage) == package_of("denoise/down_blocks.0.resnets.0.1.forward") == "unet/down_blocks.0.resnets.0.1"
    )
    assert function_of(stage) == "train_step_backward"
    assert (package_of("project_kv_vjp.lora"), function_of("project_kv_vjp.lora")) == (
        "project_kv.lora",
        "project_kv_vjp_lora",
    )
