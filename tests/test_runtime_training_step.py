"""The core's training against PyTorch: stock UNet and text encoder, autograd, torch.optim.AdamW and Muon.

The reference is fed what the core drew (noised latents, timesteps, targets, weights, token ids), read through the test
library; that those draws are right is checked here too.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from torch.optim import _muon
from transformers import CLIPTextModel, CLIPTokenizer

from device_runtime import Engine
from server_distill.training.matrix_optimizers import orthogonalized
from tests.bundles import ExportedModel
from tests.runtime_helpers import TOKEN, SessionBatches, losses_of, new_session, photo, read_safetensors

pointer = ctypes.POINTER(ctypes.c_float)
ADAMW = {"optimizer": "adamw", "prior_text_weight": 0.0}
"""Whatever a bundle recommends."""


@pytest.fixture(scope="module", params=["tiny", pytest.param("default", marks=pytest.mark.slow)])
def subject(request) -> ExportedModel:
    """A model and its bundle."""
    return request.getfixturevalue(f"{request.param}_bundle")


@pytest.fixture(scope="module")
def engine(subject):
    with Engine(subject.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def manifest(subject) -> dict:
    return json.loads((subject.bundle / "manifest.json").read_text())


@pytest.fixture
def batch_of(testing_library, subject):
    """batch_of(journal, step): what the core's step looks at."""

    def read(journal: Path, step: int) -> dict:
        with SessionBatches(testing_library, subject.bundle, journal) as batches:
            return batches.batch(step)

    return read


class Reference:
    """The same training in PyTorch."""

    def __init__(self, model: Path, bundle: Path, kind: str) -> None:
        self.unet = UNet2DConditionModel.from_pretrained(model / "unet").float().eval().requires_grad_(False)
        self.text = CLIPTextModel.from_pretrained(model / "text_encoder").float().eval().requires_grad_(False)
        initial, _ = read_safetensors(bundle / "adapters" / f"{kind}.safetensors")
        self.adapter = {name: torch.tensor(array, requires_grad=True) for name, array in sorted(initial.items())}
        self.base = {name: p.detach().clone() for name, p in self.unet.named_parameters() if ".attn2.to_" in name}
        embeddings = read_safetensors(bundle / "tokenizer" / "token_embeddings.safetensors")[0]["token_embeddings"]
        with Engine(bundle, verify_hashes=False) as engine:
            self.class_ids = engine.tokenize("dog")
        self.modifier = torch.tensor(embeddings[self.class_ids].mean(0, keepdims=True), requires_grad=True)

    def weights(self) -> dict[str, Tensor]:
        """`to_k` and `to_v` matrices as the adapter makes them."""
        if not any("lora" in name for name in self.adapter):
            return self.adapter
        out = {}
        for name, base in self.base.items():
            if name.endswith(("to_k.weight", "to_v.weight")):
                prefix = name.removesuffix("weight")
                out[name] = base + self.adapter[f"{prefix}lora_B.weight"] @ self.adapter[f"{prefix}lora_A.weight"]
        return out

    def loss(self, batch: dict) -> Tensor:
        table = self.text.get_input_embeddings().weight
        with_token = torch.cat([table, self.modifier])
        name = next(n for n, p in self.text.named_parameters() if p is table)
        hidden = torch.func.functional_call(
            self.text, {name: with_token}, (torch.tensor(batch["ids"]),)
        ).last_hidden_state
        output = torch.func.functional_call(
            self.unet, self.weights(), (torch.tensor(batch["x_t"]), torch.tensor(batch["t"]), hidden)
        ).sample
        return (torch.tensor(batch["weight"]) * (output - torch.tensor(batch["target"])) ** 2).sum()


def assert_close(actual: np.ndarray, expected: np.ndarray, fraction: float, name: str) -> None:
    """Within `fraction` of the tensor's largest value: gradients of a tensor vary over many decades."""
    scale = np.abs(expected).max()
    assert np.abs(actual - expected).max() <= fraction * scale + 1e-12, f"{name}: scale {scale}"


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_loss_gradients_and_update_equal_pytorch(engine, subject, batch_of, tmp_path, kind):
    """One step. AdamW's first moment is 0.1 x gradient, which shows the gradients themselves."""
    changes = {**ADAMW, "adapter_kind": kind, "steps": 1, "max_grad_norm": 0.0, "weight_decay": 0.03}
    changes |= {"learning_rate": 2e-3, "modifier_learning_rate": 5e-3, "lr_schedule": "constant", "warmup_steps": 0}
    with new_session(engine, tmp_path / "j", **changes) as session:
        losses = losses_of(session)
    state, metadata = read_safetensors(tmp_path / "j" / "state.safetensors")
    assert metadata["step"] == "1"

    reference = Reference(subject.model, subject.bundle, kind)
    loss = reference.loss(batch_of(tmp_path / "j", 0))
    loss.backward()
    # float32 through a UNet, other summation order
    np.testing.assert_allclose(losses, [loss.item()], rtol=1e-4)
    parameters = {**reference.adapter, "modifier_embeddings": reference.modifier}
    for name, parameter in parameters.items():
        gradient = parameter.grad.numpy()
        core = state[f"exp_avg:{name}"] / np.float32(0.1)
        assert_close(core, gradient, 2e-3, name)
        # The update itself is compared from equal gradients: AdamW's first step is lr x sign(gradient), in which
        # rounding of a gradient near zero would show whole.
        parameter.grad = torch.tensor(core)
    groups = [
        {"params": list(reference.adapter.values()), "lr": changes["learning_rate"]},
        {"params": [reference.modifier], "lr": changes["modifier_learning_rate"]},
    ]
    torch.optim.AdamW(groups, weight_decay=changes["weight_decay"]).step()
    for name, parameter in parameters.items():
        stored = state["modifier_embeddings" if parameter is reference.modifier else f"adapter:{name}"]
        np.testing.assert_allclose(stored, parameter.detach().numpy(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_muons_update_equals_pytorch(engine, subject, batch_of, tmp_path, monkeypatch, kind):
    """One step. Muon's momentum is 0.1 x gradient then; the token's embedding is AdamW's still."""
    monkeypatch.setattr(_muon, "_zeropower_via_newtonschulz", orthogonalized)  # torch's own is in bf16
    changes = {
        "adapter_kind": kind,
        "optimizer": "muon",
        "prior_text_weight": 0.0,
        "steps": 1,
        "max_grad_norm": 0.0,
        "weight_decay": 0.03,
    }
    changes |= {"learning_rate": 2e-2, "modifier_learning_rate": 5e-3, "lr_schedule": "constant", "warmup_steps": 0}
    with new_session(engine, tmp_path / "j", **changes) as session:
        session.run()
    state, _ = read_safetensors(tmp_path / "j" / "state.safetensors")
    reference = Reference(subject.model, subject.bundle, kind)
    reference.loss(batch_of(tmp_path / "j", 0)).backward()
    for name, parameter in reference.adapter.items():
        momentum = state[f"momentum:{name}"] / np.float32(0.1)
        assert_close(momentum, parameter.grad.numpy(), 2e-3, name)
        parameter.grad = torch.tensor(momentum)  # what is near zero is mostly rounding, and orthogonal all the same
    rate, decay = changes["learning_rate"], changes["weight_decay"]
    torch.optim.Muon(reference.adapter.values(), rate, decay, momentum=0.9, adjust_lr_fn="match_rms_adamw").step()
    for name, parameter in reference.adapter.items():
        # The iteration's float32, as tests/test_core_muon.py has it.
        np.testing.assert_allclose(state[f"adapter:{name}"], parameter.detach().numpy(), rtol=0, atol=2e-4 * rate)
    assert state["exp_avg:modifier_embeddings"].any()


def test_prior_text_weight_holds_what_the_class_was(engine, subject, manifest, tmp_path):
    """Keys and values of the class's own captions, by PyTorch's text encoder; the subject's change all the same."""
    reference = Reference(subject.model, subject.bundle, "full")
    tokenizer = CLIPTokenizer.from_pretrained(subject.model / "tokenizer")
    captions = manifest["prior"]["classes"]["dog"]["captions"]
    with torch.no_grad():
        ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        states = reference.text(ids).last_hidden_state
    initial, _ = read_safetensors(subject.bundle / "adapters" / "full.safetensors")

    def change(weight: float) -> tuple[float, float]:
        changes = {"optimizer": "muon", "learning_rate": 2e-2, "prior_loss_weight": 0.0, "steps": 3}
        with new_session(engine, None, prior_text_weight=weight, **changes) as session:
            session.run()
            session.save_adapter(tmp_path / "a.safetensors")
        trained, _ = read_safetensors(tmp_path / "a.safetensors")
        moved = [trained[name] - matrix for name, matrix in initial.items()]
        of_captions = sum(float((states @ torch.from_numpy(m).T).square().sum()) for m in moved) ** 0.5
        return of_captions, sum(float(np.square(m).sum()) for m in moved) ** 0.5

    (held, moved), (free, all_moved) = change(150.0), change(0.0)
    assert held < 0.2 * free
    assert moved > 0.02 * all_moved


def test_five_steps_follow_pytorch(engine, subject, batch_of, tmp_path):
    """Clipping, cosine schedule with warm-up and both learning rates, over several steps."""
    changes = {**ADAMW, "weight_decay": 1e-2, "steps": 5, "max_grad_norm": 0.05}
    changes |= {"learning_rate": 1e-3, "modifier_learning_rate": 2e-3}
    changes |= {"lr_schedule": "cosine", "warmup_steps": 2}
    with new_session(engine, tmp_path / "j", **changes) as session:
        losses = losses_of(session)
    reference = Reference(subject.model, subject.bundle, "full")
    parameters = [*reference.adapter.values(), reference.modifier]
    optimizer = torch.optim.AdamW(
        [{"params": parameters[:-1], "lr": 1e-3}, {"params": parameters[-1:], "lr": 2e-3}], weight_decay=1e-2
    )
    factors = [0.0, 0.5, 1.0, 0.75, 0.25]
    for step, factor in enumerate(factors):
        optimizer.zero_grad()
        loss = reference.loss(batch_of(tmp_path / "j", step))
        loss.backward()
        np.testing.assert_allclose(losses[step], loss.item(), rtol=1e-3)
        torch.nn.utils.clip_grad_norm_(parameters, 0.05)
        for group, rate in zip(optimizer.param_groups, (1e-3, 2e-3), strict=True):
            group["lr"] = rate * factor
        optimizer.step()
    state, _ = read_safetensors(tmp_path / "j" / "state.safetensors")
    moved = {name: p.detach().numpy() for name, p in reference.adapter.items()}
    initial, _ = read_safetensors(subject.bundle / "adapters" / "full.safetensors")
    # Where a gradient is near zero its rounding decides AdamW's direction: compare as a whole.
    ours = np.concatenate([(state[f"adapter:{n}"] - initial[n]).ravel() for n in moved])
    theirs = np.concatenate([(moved[n] - initial[n]).ravel() for n in moved])
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_modifier_rate_zero_leaves_its_embedding(engine, subject, tmp_path):
    with new_session(engine, tmp_path / "j", steps=2, modifier_learning_rate=0.0) as session:
        session.run()
    state, _ = read_safetensors(tmp_path / "j" / "state.safetensors")
    reference = Reference(subject.model, subject.bundle, "full")
    np.testing.assert_array_equal(state["modifier_embeddings"], reference.modifier.detach().numpy())
    assert not state["exp_avg:modifier_embeddings"].any()


def test_a_batch_is_noised_views_and_prior_latents(engine, subject, manifest, batch_of, tmp_path):
    """From x_t and v follow x_0 and the noise; the prior's x_0 are the bundle's latents, the instance's are views."""
    # Shrunk and enlarged views all differ, so that each can be told from its latents, whatever the bundle recommends.
    with new_session(engine, tmp_path / "j", steps=1, prior_loss_weight=0.7, size_augmentation=True) as session:
        session.run()
    prior, _ = read_safetensors(subject.bundle / "prior" / "prior.safetensors")
    views, _ = read_safetensors(tmp_path / "j" / "views.safetensors")
    latent_count = prior["latents"][0].size
    scheduler = DDPMScheduler.from_pretrained(subject.model / "scheduler")
    noises, timesteps, used_views = [], [], []
    for step in range(20):
        batch = batch_of(tmp_path / "j", step)
        t = batch["t"].astype(int)
        timesteps += list(t)
        a = scheduler.alphas_cumprod.numpy()[t].reshape(-1, 1, 1, 1)
        x_0 = np.sqrt(a) * batch["x_t"] - np.sqrt(1 - a) * batch["target"]
        noises.append(np.sqrt(1 - a) * batch["x_t"] + np.sqrt(a) * batch["target"])
        for row in (0, 1):
            assert TOKEN in batch["captions"][row]
            assert manifest["text"]["vocab_size"] in batch["ids"][row]
            scaled = x_0[row] / manifest["image"]["scaling_factor"]
            distance = np.abs(scaled - views["mean"]) / np.maximum(views["deviation"], 1e-3)
            view = int(distance.reshape(len(distance), -1).mean(1).argmin())
            used_views.append(view)
            assert distance[view].max() < 7  # standard deviations
            mask = views["mask"][view]
            expected = mask / mask.sum() / 4 / 2
            np.testing.assert_allclose(batch["weight"][row, 0], expected, rtol=1e-6)
        for row in (2, 3):
            nearest = np.abs(prior["latents"] - x_0[row]).reshape(len(prior["latents"]), -1).max(1)
            index = int(nearest.argmin())
            assert nearest[index] < 1e-4
            entry = manifest["prior"]["classes"]["dog"]
            assert batch["captions"][row] == entry["captions"][entry["latents"].index(index)]
            np.testing.assert_allclose(batch["weight"][row], 0.7 / latent_count / 2, rtol=1e-6)
    # Each view once before any comes again.
    assert all(sorted(used_views[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 40, 5))
    noise = np.concatenate(noises)
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03
    assert 0 <= min(timesteps) < 150 < 850 < max(timesteps) < 1000


def test_fine_timesteps_come_from_the_lower_ones(tiny_bundle, testing_library, tmp_path):
    def drawn(share: float) -> np.ndarray:
        journal = tmp_path / str(share)
        with (
            Engine(tiny_bundle.bundle, threads=1) as engine,
            new_session(engine, journal, steps=1, fine_timesteps=share) as session,
        ):
            session.run()
        with SessionBatches(testing_library, tiny_bundle.bundle, journal) as batches:
            return np.concatenate([batches.batch(step)["t"] for step in range(60)])

    none, half, every = drawn(0.0), drawn(0.5), drawn(1.0)
    assert 350 < every.max() < 400 and none.max() > 900
    fine = half == every
    assert 0.4 < fine.mean() < 0.6
    np.testing.assert_array_equal(half[~fine], none[~fine])


def test_views_are_the_autoencoders(tiny_bundle, testing_library, tmp_path):
    """Encoding in the core: augmentation, then what diffusers' autoencoder says of that picture."""
    with Engine(tiny_bundle.bundle, threads=1) as engine, new_session(engine, tmp_path / "j", views=4) as session:
        session.run()
    views, metadata = read_safetensors(tmp_path / "j" / "views.safetensors")
    vae = AutoencoderKL.from_pretrained(tiny_bundle.model / "vae").eval()
    for view in range(4):
        pixels = np.ascontiguousarray(photo(view % 2))
        height, width, _ = pixels.shape
        square = np.zeros((3, 48, 48), np.float32)
        assert not testing_library.lkt_centre_square_from_photo(
            pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
            width,
            height,
            3,
            ctypes.c_size_t(3 * width),
            48,
            2,
            square.ctypes.data_as(pointer),
        )
        picture, mask = np.zeros((1, 3, 32, 32), np.float32), np.zeros((8, 8), np.float32)
        prefix, flipped = ctypes.create_string_buffer(32), ctypes.c_int()
        assert not testing_library.lkt_augment(
            square.ctypes.data_as(pointer),
            *(48, 48, 32, 4, 1, 1, ctypes.c_uint64(11), ctypes.c_uint32(view)),
            picture.ctypes.data_as(pointer),
            mask.ctypes.data_as(pointer),
            prefix,
            ctypes.byref(flipped),
        )
        with torch.no_grad():
            posterior = vae.encode(torch.tensor(picture)).latent_dist
        assert_close(views["mean"][view], posterior.mean[0].numpy(), 1e-3, "mean")
        assert_close(views["deviation"][view], posterior.std[0].numpy(), 1e-3, "deviation")
        np.testing.assert_array_equal(views["mask"][view], mask)
        assert json.loads(metadata["prefixes"])[view] == prefix.value.decode()
