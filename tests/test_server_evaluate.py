"""The evaluation of any pipeline: scores under their own names, absent ones with the reason, adapters."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import CLIPModel, CLIPProcessor, Dinov2Model, ViTImageProcessor, ViTModel

from models.adapter import adapter_spec, base_weights, initial_tensors
from models.adapter_file import AdapterFile, write
from server_distill import evaluate
from server_distill.evaluation.image_features import pooled_features
from server_distill.evaluation.image_scores import cosines, frechet_distance, kid
from server_distill.evaluation.picture_features import centre_square
from server_distill.evaluation.pictures import Picture, Sampling, draw, load_png, plan
from server_distill.evaluation.pipeline import load_pipeline, pipeline_sha256
from server_distill.evaluation.prompts import PROMPT_SETS, class_of, class_text, fill
from server_distill.evaluation.scores import SCORES
from tests.bundles import DEFAULT_MODEL, make_tiny_model
from tests.evaluation_folders import PROMPTS, make_clip, make_dino, options, photos, report_of, times


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_tiny_model(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module", params=["dino", "dinov2"])
def dino(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dino(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text(PROMPTS)
    return path


def test_scores_are_what_transformers_computes(
    model: Path, clip: Path, dino: Path, prompts: Path, tmp_path: Path
) -> None:
    references, real = photos(tmp_path / "references", 3, 1), photos(tmp_path / "real", 4, 2)
    folders = {"references": references, "real": real, "clip": clip, "dino": dino}
    output = tmp_path / "out"
    assert evaluate.main(options(model, prompts, output, subject="<a> dog", class_name="dog", **folders)) == 1
    assert evaluate.main(options(model, prompts, output, **folders)) == 0
    report = report_of(output)
    assert not [name for name in report if name.endswith("_absent")]
    assert (report["prompts"], report["pictures"], report["references"], report["real"]) == (3, 6, 3, 4)

    pictures = plan(["a photo of a {} on grass", "a photo of a {} in the snow", "a bucket"], "dog", [0, 1])
    drawn = [load_png(output / "pictures" / picture.name) for picture in pictures]
    own, subject, others = (
        [Image.fromarray(pixels) for pixels in drawn],
        [Image.open(path).convert("RGB") for path in sorted(references.iterdir())],
        [Image.open(path).convert("RGB") for path in sorted(real.iterdir())],
    )
    network, processor = CLIPModel.from_pretrained(clip).eval(), CLIPProcessor.from_pretrained(clip)

    @torch.no_grad()
    def embed(images: list[Image.Image], prefix: str = "") -> Any:
        texts = [prefix + picture.prompt for picture in pictures]
        return network(**processor(text=texts, images=images, return_tensors="pt", padding=True, truncation=True))

    both, prefixed = embed(own), embed(own, "A photo depicts ")
    pairs = (both.image_embeds * both.text_embeds).sum(1)
    assert report["clip_t"] == pytest.approx(pairs.mean().item(), abs=1e-4)
    scores = 2.5 * (both.image_embeds * prefixed.text_embeds).sum(1).clamp_min(0)
    assert report["clip_score"] == pytest.approx(scores.mean().item(), abs=1e-4)
    similarity = (both.image_embeds @ embed(subject).image_embeds.T).mean()
    assert report["clip_i"] == pytest.approx(similarity.item(), abs=1e-4)

    kind = ViTModel if (json.loads((dino / "config.json").read_text())["model_type"]) == "vit" else Dinov2Model
    backbone, images = kind.from_pretrained(dino).eval(), ViTImageProcessor.from_pretrained(dino)
    with torch.no_grad():
        classes = [backbone(**images(x, return_tensors="pt")).last_hidden_state[:, 0] for x in (own, subject)]
    similarity = (normalize(classes[0], dim=1) @ normalize(classes[1], dim=1).T).mean()
    assert report["dino_i"] == pytest.approx(similarity.item(), abs=1e-4)

    def lite(images: list[Image.Image], name: str) -> torch.Tensor:
        return torch.cat([pooled_features(centre_square(np.asarray(x), 260)[None], name) for x in images])

    lite2 = cosines(lite(own, "lite2"), lite(subject, "lite2"))
    assert report["lite2_i"] == pytest.approx(lite2.mean().item(), abs=1e-4)
    lite0 = lite(own, "lite0"), lite(others, "lite0")
    assert report["frechet_lite0"] == pytest.approx(frechet_distance(*lite0), abs=1e-3)
    assert (report["kid_lite0"], report["kid_lite0_deviation"]) == pytest.approx(kid(*lite0), abs=1e-3)
    assert report["kid_lite0_subset_size"] == 2
    assert report["frechet_clip"] > 0

    page = (output / "report.md").read_text()
    assert all(f"| {name} |" in page for name in SCORES)
    assert f"| a bucket | {pairs[4:].mean():.4f} |" in page
    assert Image.open(output / "sheet.png").size[0] > 1000


def test_what_cannot_be_computed_is_absent_with_its_reason(model: Path, prompts: Path, tmp_path: Path) -> None:
    assert evaluate.main(options(model, prompts, tmp_path / "out")) == 0
    report = report_of(tmp_path / "out")
    assert [report[name] for name in SCORES] == [None] * len(SCORES)
    assert "--clip" in report["clip_t_absent"] and "--clip" in report["clip_score_absent"]
    assert all("--references" in report[f"{name}_i_absent"] for name in ("clip", "dino", "lite2"))
    assert all("--real" in report[f"{name}_absent"] for name in ("frechet_clip", "frechet_lite0", "kid_lite0"))
    assert "| clip_t | absent: no CLIP folder: give --clip |" in (tmp_path / "out" / "report.md").read_text()
    # One reference is a score; one real picture is no distribution, and CLIP's scores stay absent.
    one = photos(tmp_path / "one", 1, 3)
    assert evaluate.main(options(model, prompts, tmp_path / "out", references=one, real=one)) == 0
    report = report_of(tmp_path / "out")
    assert -1 <= report["lite2_i"] <= 1
    assert report["clip_i"] is None and "--clip" in report["clip_i_absent"]
    assert report["dino_i"] is None and "--dino" in report["dino_i_absent"]
    assert "two" in report["frechet_lite0_absent"] and "two" in report["kid_lite0_absent"]


def adapter_for(model: Path) -> AdapterFile:
    pipeline = load_pipeline(model)
    spec = adapter_spec(pipeline.unet, "full")
    tensors = {name: x + 0.3 for name, x in initial_tensors(spec, base_weights(pipeline.unet)).items()}
    return AdapterFile("tiny", pipeline_sha256(pipeline), "full", None, tensors, ["<new1>"], torch.ones(1, 32), "dog")


def test_an_adapter_is_its_own_subject(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "dog.safetensors", tmp_path / "out"
    adapter = adapter_for(model)
    write(path, adapter)
    assert evaluate.main(options(model, prompts, output, adapter=path, subject=None)) == 0
    report = report_of(output)
    assert (report["subject"], report["class_name"]) == ("<new1> dog", "dog")
    assert report["adapter_base_checked"] is True
    assert any("a-photo-of-a-new1-dog-on-grass" in name for name in times(output))
    assert evaluate.main(options(model, prompts, tmp_path / "plain")) == 0
    name = Picture("a photo of a {} on grass", "a photo of a <new1> dog on grass", 0).name
    plain = Picture("a photo of a {} on grass", "a photo of a dog on grass", 0).name
    pair = load_png(output / "pictures" / name), load_png(tmp_path / "plain" / "pictures" / plain)
    assert np.abs(pair[0].astype(int) - pair[1]).mean() > 1
    # The folder's pictures are the adapter's, not the model's own; and an adapter of another model is no adapter.
    assert evaluate.main(options(model, prompts, output)) == 1
    assert "adapter_sha256 was" in capsys.readouterr().err
    write(path, replace(adapter, base_weights_sha256="0" * 64))
    assert evaluate.main(options(model, prompts, tmp_path / "other", adapter=path)) == 1
    assert "was trained on tiny (000000000000…)" in capsys.readouterr().err


def test_missing_weights_are_no_random_scores(
    model: Path, clip: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """transformers fills what a checkpoint lacks with random numbers and goes on."""
    folder = tmp_path / "clip"
    shutil.copytree(clip, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert evaluate.main(options(model, prompts, tmp_path / "out", clip=folder)) == 1
    assert "lacks weights: ['visual_projection.weight']" in capsys.readouterr().err


def test_prompts() -> None:
    assert fill("a photo of a {} by a {}", "owl") == "a photo of an owl by an owl"
    assert fill("a pizza {} on the {}", "<new1> owl") == "a pizza <new1> owl on the <new1> owl"
    assert class_text("a photo of a <new1> {}", "owl") == "a photo of a owl"
    assert class_of("<new1> black cat", ["<new1>"]) == "black cat"
    assert class_of("my-thing", ["my-thing"]) == ""
    for templates in PROMPT_SETS.values():
        assert len(set(templates)) == len(templates) == 25
        assert all(template.count("{}") == 1 for template in templates)


@pytest.mark.slow
def test_the_default_student(tmp_path: Path) -> None:
    prompts, output = tmp_path / "prompts.txt", tmp_path / "out"
    prompts.write_text("a photo of a {} on grass\na photo of a {} in the snow\n")
    real = photos(tmp_path / "real", 5, 1)
    model = DEFAULT_MODEL / "student"
    given = {"subject": "owl", "steps": None, "guidance_scale": None, "real": real, "references": real}
    assert evaluate.main(options(model, prompts, output, **given)) == 0
    report = report_of(output)
    assert (report["steps"], report["guidance_scale"], report["resolution"]) == (20, 3.0, 128)
    assert report["frechet_lite0"] > 0 and report["prompts_cut_off"] == 0
    # The same picture as the folder draws where diffusers loads it, from the same noise.
    picture = plan(["a photo of a {} on grass"], "owl", [0])[0]
    scheduler = DPMSolverMultistepScheduler.from_pretrained(model / "scheduler")
    pipeline = StableDiffusionPipeline.from_pretrained(
        model, scheduler=scheduler, safety_checker=None, dtype=torch.float32
    )
    own = draw(pipeline, [picture], Sampling(20, 3.0, 128))[0]
    assert np.abs(own.astype(int) - load_png(output / "pictures" / picture.name)).max() <= 1
