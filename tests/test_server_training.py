"""Parts of the default model's training: good starts, fast attention, checkpoints, losses, scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

from server_distill.default_model.background_probe import border_cells
from server_distill.default_model.backgrounds import COLOURS
from server_distill.default_model.cpu_speed import faster_precision, make_fast
from server_distill.default_model.object_gallery import ObjectGallery
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.perceptual_loss import perceptual_loss
from server_distill.default_model.personalization_scores import drift
from server_distill.default_model.pipeline import UNET
from server_distill.default_model.pretrain_text import (
    COMPONENTS,
    ThumbnailReader,
    new_text_encoder,
    pretrain_text,
    thumbnail_loss,
)
from server_distill.default_model.scenes import random_scene
from server_distill.default_model.train_autoencoder import new_autoencoder, psnr
from server_distill.evaluation.image_scores import frechet_distance
from server_distill.training.state import load_state, save_state


@pytest.fixture(scope="module")
def teacher() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**UNET).eval()


def test_untrained_autoencoder_passes_block_averages() -> None:
    rng = np.random.default_rng(0)
    scenes = [random_scene(load_cutout(item), rng).pixels for item in read_catalogue("held_out")[:6]]
    pixels = torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.manual_seed(0)
    model = new_autoencoder().eval()
    with torch.no_grad():
        latents = model.encode(pixels).latent_dist.mean
        decoded = model.decode(latents).sample
    averages = F.avg_pool2d(pixels, 8)
    for channel in range(3):
        pair = torch.stack([latents[:, channel].flatten(), averages[:, channel].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.97  # normalization scales each picture a little differently
    # A usual start decodes noise, below 8 dB; enlarged block averages themselves reach about 21 dB.
    assert psnr(decoded, pixels).mean() > 14


def test_drift_is_measured_by_what_lies_between_two_pictures() -> None:
    rng = np.random.default_rng(0)
    items = read_catalogue("held_out")[:6]
    pictures = np.stack([random_scene(load_cutout(item), rng).pixels for item in items])
    assert drift(pictures, pictures) == pytest.approx(0, abs=1e-5)
    assert drift(pictures, np.roll(pictures, 1, axis=0)) == pytest.approx(1, abs=0.4)  # six of thirty pairs
    darker = (pictures * 0.9).astype(np.uint8)
    assert 0 < drift(pictures, darker) < 0.5


def test_fast_attention_is_diffusers_attention(teacher: UNet2DConditionModel) -> None:
    fast = UNet2DConditionModel.from_config(teacher.config)
    fast.load_state_dict(teacher.state_dict())
    make_fast(fast, "no")
    x, t, hidden = torch.randn(2, 4, 16, 16), torch.tensor([3, 700]), torch.randn(2, 24, 128)
    outputs = [net(x, t, hidden).sample for net in (teacher, fast)]
    assert torch.allclose(*outputs, rtol=1e-4, atol=1e-5)  # sums in another order
    for net, output in zip((teacher, fast), outputs, strict=True):
        net.zero_grad()
        output.square().sum().backward()
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    wanted, got = (net.get_parameter(name).grad for net in (teacher, fast))
    assert wanted is not None and got is not None
    assert (got - wanted).norm() / wanted.norm() < 1e-3


def test_the_precision_trial_leaves_the_network_as_it_was(teacher: UNet2DConditionModel) -> None:
    teacher.zero_grad()  # tests before this one share the network
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    assert faster_precision(teacher, batch=1) in ("no", "bf16")
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert teacher.conv_in.weight.grad is None


def test_perceptual_loss_sees_what_changed_and_teaches() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(2, 3, 64, 64) * 2 - 1
    assert perceptual_loss(wanted, wanted) == 0
    near, far = wanted + 0.02 * torch.randn_like(wanted), torch.rand(2, 3, 64, 64) * 2 - 1
    assert 0 < perceptual_loss(near, wanted) < perceptual_loss(far, wanted)
    painted = far.clone().requires_grad_()
    loss = perceptual_loss(painted, wanted)
    (gradient,) = torch.autograd.grad(loss, painted)
    assert perceptual_loss(far - 1e-2 * gradient / gradient.std(), wanted) < loss


def test_thumbnail_loss_ignores_colours_outside_the_object() -> None:
    wanted = torch.randn(1, 5, 16, 16)
    wanted[:, 4] = 0
    wanted[:, 4, 4:8, 4:8] = 1
    painted = wanted.clone()
    painted[:, :4, 10:] += 5
    assert thumbnail_loss(painted, wanted) == 0
    painted[:, :4, 5] += 1
    assert thumbnail_loss(painted, wanted) == pytest.approx(0.25)  # one of four covered rows is off by one


def test_text_pretraining_learns_what_objects_look_like() -> None:
    tokenizer = CLIPTokenizer.from_pretrained("models/default/teacher/tokenizer")
    count = len(read_catalogue("train"))
    torch.manual_seed(0)
    targets = {
        "features": torch.randn(count, COMPONENTS),
        "thumbnails": torch.rand(count, 1 + len(COLOURS), 5, 16, 16),
    }
    model = new_text_encoder(tokenizer)
    short, long = (pretrain_text(model, tokenizer, targets, steps, seed=0) for steps in (1, 30))
    assert long < 0.7 * short
    assert ThumbnailReader(128)(torch.randn(2, 24, 128)).shape == (2, 5, 16, 16)


def test_a_checkpoint_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    assert load_state(path) is None
    save_state(path, {"step": 1})

    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space"):
        save_state(path, {"step": 2})
    state = load_state(path)
    assert state is not None and state["step"] == 1


def test_frechet_distance_knows_its_closed_form() -> None:
    torch.manual_seed(0)
    a = torch.randn(4000, 3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    shifted = a * torch.tensor([1.0, 2.0, 1.0]) + torch.tensor([3.0, 0.0, 0.0])
    # Means 3 apart: 9; one standard deviation 1 against 2: (2 − 1)² = 1; sampling noise stays below 0.2.
    assert frechet_distance(a, shifted) == pytest.approx(10, abs=0.2)


def test_the_gallery_knows_which_object_a_picture_shows() -> None:
    items, rng = read_catalogue("held_out")[:14], np.random.default_rng(1)
    pictures = np.stack([random_scene(load_cutout(item), rng).pixels for item in items])
    gallery, right = ObjectGallery(items), list(range(len(items)))
    scores, wrong = gallery.scores(pictures, right), gallery.scores(pictures, right[1:] + right[:1])
    assert scores.top5 == 1 and scores.cosine > 0.5
    assert wrong.top5 < 0.7 and wrong.cosine < 0.2  # five of fourteen would be there by chance


def test_border_cells_see_the_border_only() -> None:
    picture = np.zeros((1, 128, 128, 3), np.uint8)
    changed = picture.copy()
    changed[:, 16:112, 16:112] = 255
    assert torch.equal(border_cells(picture), border_cells(changed))
    changed[:, :4] = 255
    assert not torch.equal(border_cells(picture), border_cells(changed))
