"""A whole export, run by ExecuTorch, against autograd through the stock pipeline from tokens to loss."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from export import inspect_bundle, make_bundle
from export.executorch_target import BOUNDS, LoadedProgram
from export.parity import Parity, ParityError, check_all, cosine, psnr, relative_error
from export.target import Bounds
from models import manifest as mf
from models.weights_hash import weights_sha256
from tests import sd_shaped

MODIFIERS, VOCABULARY = 2, sd_shaped.VOCABULARY


def save_other_shape(folder: Path) -> Path:
    """What the default student is not: mid block, linear projections, attention in the VAE, erf GELU, fp16, ε."""
    sd_shaped.save_pipeline(
        folder,
        prediction_type="epsilon",
        unet=sd_shaped.make_unet(
            student=False,
            layers_per_block=1,
            sample_size=8,
            block_out_channels=(16, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=24,
            attention_head_dim=2,
            norm_num_groups=8,
            use_linear_projection=True,
        ).half(),
        vae=sd_shaped.make_autoencoder(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            sample_size=16,
            mid_block_add_attention=True,
        ),
        text_encoder=sd_shaped.make_text_encoder(
            hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, hidden_act="gelu"
        ),
    )
    (folder / "recommended.json").unlink()
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_other_shape(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    arguments = ["--model", str(model), "--output", str(out / "bundle"), "--report", str(out / "report.json")]
    sizes = ["--train-batch", "2", "--denoise-batch", "1", "--text-batch", "2", "--lora-rank", "3"]
    assert make_bundle.main([*arguments, *sizes, "--name", "other"]) == 0
    return out / "bundle"


def run(bundle: Path, method: str, *inputs: Tensor) -> list[Tensor]:
    return LoadedProgram(bundle / "methods" / f"{method}.pte").run(inputs)


@pytest.mark.slow
def test_manifest_and_report(model: Path, bundle: Path) -> None:
    manifest = mf.read(bundle)
    assert manifest.model.name == "other"
    assert manifest.noise.prediction_type == "epsilon"
    assert len(manifest.noise.betas) == 1000
    assert (manifest.image.size, manifest.image.vae_scale_factor, manifest.image.latent_size) == (16, 2, 8)
    assert manifest.prior.classes == {}
    assert load_file(bundle / manifest.prior.file)["latents"].shape == (0, 4, 8, 8)
    assert manifest.recommended == mf.Recommended({}, {})
    states = {
        "vae": load_file(model / "vae/diffusion_pytorch_model.safetensors"),
        "text_encoder": load_file(model / "text_encoder/model.safetensors"),
        "unet": load_file(model / "unet/diffusion_pytorch_model.safetensors"),
    }
    assert states["unet"]["conv_in.weight"].dtype == torch.float16
    wide = {name: {key: x.float() for key, x in state.items()} for name, state in states.items()}
    assert manifest.model.weights_sha256 == weights_sha256(wide)
    report = json.loads((bundle.parent / "report.json").read_text())
    assert {key.removesuffix("_cosine") for key in report if key.endswith("_cosine")} == set(manifest.methods)
    assert all(isinstance(value, int | float) for value in report.values())
    assert report["worst_gradient_relative_error"] >= report["train_step_relative_error"] > 0
    assert not list(bundle.parent.glob(".bundle*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_chain_of_programs_equals_autograd_through_the_stock_pipeline(model: Path, bundle: Path, kind: str) -> None:
    """One training step: modifier and adapter gradients, with masks and prior weights, to 1e-3 of the largest."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    manifest = mf.read(bundle)
    generator = torch.Generator().manual_seed(3)
    spec = manifest.adapters[kind].tensors
    adapter = load_file(bundle / manifest.adapters[kind].initial)
    tensors = [adapter[t.name] + 0.05 * torch.randn(t.shape, generator=generator) for t in spec]
    modifiers = torch.randn((MODIFIERS, 24), generator=generator)
    ids = torch.full((2, 24), VOCABULARY - 1)
    ids[0, :4] = torch.tensor([VOCABULARY - 2, 5, VOCABULARY, 9])
    ids[1, :3] = torch.tensor([VOCABULARY - 2, VOCABULARY + 1, VOCABULARY])
    x_t, target = (torch.randn((2, 4, 8, 8), generator=generator) for _ in range(2))
    weight = torch.rand((2, 1, 8, 8), generator=generator)
    t = torch.tensor([17.0, 930.0])

    (hidden,) = run(bundle, "encode_text", ids, modifiers)
    keys_values = run(bundle, f"project_kv.{kind}", hidden, *tensors)
    loss, *d_kv = run(bundle, "train_step", x_t, t, *keys_values, target, weight)
    d_hidden, *d_adapter = run(bundle, f"project_kv_vjp.{kind}", hidden, *tensors, *d_kv)
    (d_modifiers,) = run(bundle, "encode_text_vjp", ids, modifiers, d_hidden)

    text = CLIPTextModel.from_pretrained(model / "text_encoder").float().eval()
    text.resize_token_embeddings(VOCABULARY + MODIFIERS, mean_resizing=False)
    table = text.embeddings.token_embedding.weight
    with torch.no_grad():
        table[VOCABULARY:] = modifiers
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet").float().eval()
    named = dict(zip((entry.name for entry in spec), tensors, strict=True))
    with torch.no_grad():
        for layer in manifest.layers:
            for which in ("to_k", "to_v"):
                prefix = f"{layer.name}.{which}"
                parameter = unet.get_parameter(f"{prefix}.weight")
                if kind == "full":
                    parameter.copy_(named[f"{prefix}.weight"])
                else:
                    parameter += named[f"{prefix}.lora_B.weight"] @ named[f"{prefix}.lora_A.weight"]
    out = unet(x_t, t, encoder_hidden_states=text(input_ids=ids).last_hidden_state).sample
    expected_loss = (weight * (out - target) ** 2).sum((1, 2, 3))
    expected_loss.sum().backward()

    torch.testing.assert_close(loss, expected_loss.detach(), rtol=1e-5, atol=0)
    assert table.grad is not None
    assert relative_error(d_modifiers, table.grad[VOCABULARY:]) < 1e-3
    gradients = dict(zip(named, d_adapter, strict=True))
    for layer in manifest.layers:
        for which in ("to_k", "to_v"):
            prefix = f"{layer.name}.{which}"
            gradient = unet.get_parameter(f"{prefix}.weight").grad
            assert gradient is not None
            if kind == "full":
                assert relative_error(gradients[f"{prefix}.weight"], gradient) < 1e-3
                continue
            a, b = named[f"{prefix}.lora_A.weight"], named[f"{prefix}.lora_B.weight"]
            assert relative_error(gradients[f"{prefix}.lora_A.weight"], b.t() @ gradient) < 1e-3
            assert relative_error(gradients[f"{prefix}.lora_B.weight"], gradient @ a.t()) < 1e-3


@pytest.mark.slow
def test_programs_are_deterministic(bundle: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    manifest = mf.read(bundle)
    program = manifest.methods["train_step"].stages[0].backward
    assert program is not None
    inputs = [torch.randn(manifest.tensors[name].shape, generator=generator) for name in program.inputs]
    first, second = (run(bundle, "train_step", *inputs) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
def test_inspect_and_damage(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_bundle.main([str(bundle)]) == 0
    assert "train_step" in capsys.readouterr().out
    copied = tmp_path / "copied"
    shutil.copytree(bundle, copied)
    path = copied / "methods/denoise.pte"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert inspect_bundle.main([str(copied)]) == 1
    assert "methods/denoise.pte is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_an_existing_output_is_kept_without_force(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bundle / "manifest.json").read_bytes()
    assert make_bundle.main(["--model", "nowhere", "--output", str(bundle)]) == 1
    assert "--force" in capsys.readouterr().err
    assert make_bundle.main(["--model", "nowhere", "--output", str(bundle), "--force"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert (bundle / "manifest.json").read_bytes() == before


def test_force_never_replaces_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    assert make_bundle.main(["--model", "nowhere", "--output", str(tmp_path / "photos"), "--force"]) == 1
    assert "is no bundle" in capsys.readouterr().err
    assert (tmp_path / "photos" / "cat.jpg").exists()


def parity(error: float = 1e-6, cosine: float = 1.0, psnr: float = 90.0) -> Parity:
    return Parity("denoise", error, cosine, psnr, "out")


@pytest.mark.parametrize(
    "bad",
    [parity(error=2e-3), parity(cosine=0.999), parity(psnr=50), parity(error=float("nan")), parity(psnr=float("nan"))],
    ids=str,
)
def test_bad_parity_fails(bad: Parity) -> None:
    def bounds(_: str) -> Bounds:
        return BOUNDS

    check_all([parity()], bounds)
    with pytest.raises(ParityError, match="denoise"):
        check_all([parity(), bad], bounds)


def test_parity_figures() -> None:
    a = torch.tensor([1.0, -2.0, 0.0])

    def figures(b: Sequence[float]) -> tuple[float, float, float]:
        other = torch.tensor(b)
        return relative_error(other, a), cosine(other, a), psnr(other, a)

    assert figures([1.0, -2.0, 0.0]) == (0.0, pytest.approx(1.0), 300.0)
    error, _, decibels = figures([1.0, -2.0, 0.2])
    assert error == pytest.approx(0.1)
    assert decibels == pytest.approx(24.77, abs=0.01)  # 10 log10(2² / (0.2²/3))
    assert figures([-1.0, 2.0, 0.0])[1] == pytest.approx(-1.0)


@pytest.mark.parametrize("missing", ["vae", "tokenizer", "scheduler"])
def test_an_incomplete_pipeline_is_named(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in {"vae", "text_encoder", "tokenizer", "unet", "scheduler"} - {missing}:
        (tmp_path / "model" / part).mkdir(parents=True)
    out = tmp_path / "out" / "bundle"
    assert make_bundle.main(["--model", str(tmp_path / "model"), "--output", str(out)]) == 1
    assert f"has no {missing}/" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
