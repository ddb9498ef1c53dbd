"""Noise schedule, samplers and guidance of the C++ core against diffusers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_char_p, c_double, c_float, c_int, c_size_t, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from hypothesis import given, settings
from hypothesis import strategies as st

Floats = npt.NDArray[np.float32]
INVALID_ARGUMENT, INTERNAL = 1, 11
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
STABLE_DIFFUSION: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
ADD_NOISE, TRAINING_TARGET, PREDICT_X0, PREDICT_EPSILON = range(4)


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    lib = testing_library
    lib.lkt_schedule_new.argtypes = [c_void_p, c_size_t, c_char_p, c_void_p]
    lib.lkt_schedule_free.argtypes = lib.lkt_sampler_free.argtypes = [c_void_p]
    lib.lkt_schedule_free.restype = lib.lkt_sampler_free.restype = None
    lib.lkt_schedule_alpha_cumprod.argtypes = [c_void_p, c_int, c_void_p]
    lib.lkt_schedule_apply.argtypes = [*(c_void_p, c_int, c_void_p, c_void_p, c_int, c_size_t, c_void_p)]
    lib.lkt_sampler_new.argtypes = [c_char_p, c_void_p, c_int, c_void_p]
    lib.lkt_sampler_timesteps.argtypes = [c_void_p, c_void_p]
    lib.lkt_sampler_timesteps.restype = None
    lib.lkt_sampler_step.argtypes = [c_void_p, c_int, c_void_p, c_size_t, c_void_p]
    lib.lkt_combine_guidance.argtypes = [c_void_p, c_void_p, c_float, c_size_t, c_void_p]
    lib.lkt_combine_guidance.restype = None
    return lib


def ddpm_scheduler() -> Any:
    """The oracle of training (diffusers hides its types)."""
    return DDPMScheduler(**STABLE_DIFFUSION)


def stable_diffusion_betas() -> npt.NDArray[np.float64]:
    """Stable Diffusion's betas as a manifest carries them: float32 values, held in double."""
    betas: npt.NDArray[np.float32] = ddpm_scheduler().betas.numpy()
    return betas.astype(np.float64)


@contextmanager
def new_schedule(
    core: ctypes.CDLL, prediction: str, betas: npt.NDArray[np.float64] | None = None
) -> Iterator[c_void_p]:
    """A C++ NoiseSchedule."""
    betas = stable_diffusion_betas() if betas is None else betas
    handle = c_void_p()
    name = prediction.encode()
    assert core.lkt_schedule_new(betas.ctypes.data, len(betas), name, ctypes.byref(handle)) == 0
    try:
        yield handle
    finally:
        core.lkt_schedule_free(handle)


def apply(core: ctypes.CDLL, schedule: c_void_p, what: int, a: Floats, b: Floats, t: int) -> Floats:
    """One of the schedule's four array operations."""
    out = np.full_like(a, np.nan)
    arrays = (a.ctypes.data, b.ctypes.data, t, a.size, out.ctypes.data)
    assert core.lkt_schedule_apply(schedule, what, *arrays) == 0
    return out


def random_pair(seed: int, shape: tuple[int, ...] = (2, 4, 8, 8)) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal(shape, dtype=np.float32),
        rng.standard_normal(shape, dtype=np.float32),
    )


def fake_model(x: Floats, t: int) -> Floats:
    """Stands in for a UNet: bounded, nonlinear in x, dependent on t."""
    return (0.8 * np.tanh(x) + 0.3 * np.sin(t / 150.0)).astype(np.float32)


def run_sampler(
    core: ctypes.CDLL,
    kind: str,
    schedule: c_void_p,
    steps: int,
    latents: Floats,
    model: Callable[[Floats, int], Floats] = fake_model,
) -> tuple[list[int], list[Floats]]:
    """Timesteps and the latents after every step."""
    handle = c_void_p()
    assert core.lkt_sampler_new(kind.encode(), schedule, steps, ctypes.byref(handle)) == 0
    try:
        timesteps = (c_int * steps)()
        core.lkt_sampler_timesteps(handle, timesteps)
        x, trajectory = latents.copy(), []
        for i, t in enumerate(timesteps):
            output = model(x, t)
            assert core.lkt_sampler_step(handle, i, output.ctypes.data, x.size, x.ctypes.data) == 0
            trajectory.append(x.copy())
        return list(timesteps), trajectory
    finally:
        core.lkt_sampler_free(handle)


def diffusers_scheduler(kind: str, prediction: str, **more: Any) -> Any:
    """The oracle, as diffusers configures it for Stable Diffusion (diffusers hides its types)."""
    if kind == "ddim":
        return DDIMScheduler(
            **STABLE_DIFFUSION,
            prediction_type=prediction,
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            timestep_spacing="leading",
            **more,
        )
    return DPMSolverMultistepScheduler(**STABLE_DIFFUSION, prediction_type=prediction, **more)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_alphas_cumprod(core: ctypes.CDLL, prediction: str) -> None:
    expected = torch.cumprod(1 - torch.from_numpy(stable_diffusion_betas()), 0)
    with new_schedule(core, prediction) as schedule:
        for t in range(1000):
            value = c_double()
            assert core.lkt_schedule_alpha_cumprod(schedule, t, ctypes.byref(value)) == 0
            assert value.value == pytest.approx(float(expected[t]), rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PREDICTIONS), st.integers(0, 999), st.integers(0, 2**32 - 1))
def test_noise_and_target_equal_diffusers(core: ctypes.CDLL, prediction: str, t: int, seed: int) -> None:
    x0, noise = random_pair(seed)
    oracle = ddpm_scheduler()
    clean, eps, when = torch.from_numpy(x0), torch.from_numpy(noise), torch.tensor([t, t])
    target = {
        "epsilon": eps,
        "v_prediction": oracle.get_velocity(clean, eps, when),
        "sample": clean,
    }[prediction]
    with new_schedule(core, prediction) as schedule:
        # diffusers multiplies alphas up in float32: 1000 roundings leave up to 1e-5 of a rate.
        np.testing.assert_allclose(
            apply(core, schedule, ADD_NOISE, x0, noise, t),
            oracle.add_noise(clean, eps, when).numpy(),
            atol=3e-5,
        )
        np.testing.assert_allclose(apply(core, schedule, TRAINING_TARGET, x0, noise, t), target.numpy(), atol=3e-5)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PREDICTIONS), st.integers(0, 999), st.integers(0, 2**32 - 1))
def test_a_perfect_model_gives_back_image_and_noise(core: ctypes.CDLL, prediction: str, t: int, seed: int) -> None:
    x0, noise = random_pair(seed)
    with new_schedule(core, prediction) as schedule:
        x_t = apply(core, schedule, ADD_NOISE, x0, noise, t)
        output = apply(core, schedule, TRAINING_TARGET, x0, noise, t)
        found_x0 = apply(core, schedule, PREDICT_X0, x_t, output, t)
        found_noise = apply(core, schedule, PREDICT_EPSILON, x_t, output, t)
    # x_t is rounded to float; dividing by the smallest rate (0.03 at t = 0, 0.07 at t = 999)
    # magnifies that: 4 * 6e-8 / 0.03.
    np.testing.assert_allclose(found_x0, x0, atol=1e-5)
    np.testing.assert_allclose(found_noise, noise, atol=1e-5)


@pytest.mark.parametrize("kind", ["ddim", "dpmsolver++"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 10, 14, 15, 20, 50])
def test_trajectory_equals_diffusers(core: ctypes.CDLL, kind: str, prediction: str, steps: int) -> None:
    """Every step within 1e-4: diffusers works in float32 and its alphas are off by 1e-5 at most."""
    oracle = diffusers_scheduler(kind, prediction)
    oracle.set_timesteps(steps)
    latents, _ = random_pair(steps, (1, 4, 16, 16))
    with new_schedule(core, prediction) as schedule:
        timesteps, trajectory = run_sampler(core, kind, schedule, steps, latents)
    assert timesteps == oracle.timesteps.tolist()
    x = torch.from_numpy(latents.copy())
    for t, found in zip(oracle.timesteps, trajectory, strict=True):
        output = torch.from_numpy(fake_model(x.numpy(), int(t)))
        x = oracle.step(output, t, x).prev_sample
        scale = max(1.0, float(x.abs().max()))
        np.testing.assert_allclose(found, x.numpy(), rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("kind", ["ddim", "dpmsolver++"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@settings(max_examples=25, deadline=None)
@given(steps=st.integers(1, 999), total=st.sampled_from([10, 100, 1000]))
def test_timesteps_equal_diffusers(core: ctypes.CDLL, kind: str, prediction: str, steps: int, total: int) -> None:
    steps = 1 + steps % (total - 1)
    oracle = diffusers_scheduler(kind, prediction, num_train_timesteps=total)
    oracle.set_timesteps(steps)
    with new_schedule(core, prediction, oracle.betas.numpy().astype(np.float64)) as schedule:
        handle = c_void_p()
        assert core.lkt_sampler_new(kind.encode(), schedule, steps, ctypes.byref(handle)) == 0
        timesteps = (c_int * steps)()
        core.lkt_sampler_timesteps(handle, timesteps)
        core.lkt_sampler_free(handle)
    assert list(timesteps) == oracle.timesteps.tolist()


@pytest.mark.parametrize("kind", ["ddim", "dpmsolver++"])
def test_zero_terminal_snr_stays_finite(core: ctypes.CDLL, kind: str) -> None:
    betas = rescale_zero_terminal_snr(torch.from_numpy(stable_diffusion_betas())).numpy()
    assert betas[-1] == 1.0
    latents, _ = random_pair(0)
    with new_schedule(core, "v_prediction", betas) as schedule:
        for steps in (1, 10):
            _, trajectory = run_sampler(core, kind, schedule, steps, latents)
            assert all(np.isfinite(x).all() for x in trajectory)


@pytest.mark.parametrize("kind", ["ddim", "dpmsolver++"])
def test_a_model_that_knows_the_picture_is_led_to_it(core: ctypes.CDLL, kind: str) -> None:
    picture, noise = random_pair(5)
    with new_schedule(core, "sample") as schedule:
        _, trajectory = run_sampler(core, kind, schedule, 20, noise, lambda x, t: picture)
    # DDIM ends at the first training timestep, where sqrt(1 - a_0) = 0.03 of noise is left.
    residue = 0.0292 * abs(noise).max() * 1.2 + 0.002 if kind == "ddim" else 1e-6
    assert abs(trajectory[-1] - picture).max() < residue


def test_a_sampler_can_start_again_but_not_skip(core: ctypes.CDLL) -> None:
    latents, output = random_pair(1)
    handle = c_void_p()
    with new_schedule(core, "epsilon") as schedule:
        assert core.lkt_sampler_new(b"dpmsolver++", schedule, 5, ctypes.byref(handle)) == 0

    def step(i: int, x: Floats, count: int | None = None) -> int:
        size = x.size if count is None else count
        return int(core.lkt_sampler_step(handle, i, output.ctypes.data, size, x.ctypes.data))

    first, second = latents.copy(), latents.copy()
    assert [step(0, first), step(1, first)] == [0, 0]
    assert step(3, first) == INTERNAL
    assert step(2, first, first.size - 1) == INTERNAL
    assert step(-1, first) == step(5, first) == INTERNAL
    assert [step(0, second), step(1, second)] == [0, 0]
    assert first.tobytes() == second.tobytes()
    core.lkt_sampler_free(handle)


def test_what_is_out_of_range_is_an_error(core: ctypes.CDLL) -> None:
    handle, value = c_void_p(), c_double()
    with new_schedule(core, "epsilon") as schedule:
        for steps in (-1, 0, 1000, 10**6):
            for kind in (b"ddim", b"dpmsolver++"):
                status = core.lkt_sampler_new(kind, schedule, steps, ctypes.byref(handle))
                assert status == INVALID_ARGUMENT
        assert core.lkt_sampler_new(b"euler", schedule, 5, ctypes.byref(handle)) == INVALID_ARGUMENT
        for t in (-1, 1000):
            status = core.lkt_schedule_alpha_cumprod(schedule, t, ctypes.byref(value))
            assert status == INVALID_ARGUMENT
    for betas in ([], [0.0], [-0.1], [1.5], [float("nan")], [0.1, float("inf")]):
        array = np.array(betas, np.float64)
        status = core.lkt_schedule_new(array.ctypes.data, len(betas), b"epsilon", ctypes.byref(handle))
        assert status == INVALID_ARGUMENT
    array = np.array([0.1], np.float64)
    status = core.lkt_schedule_new(array.ctypes.data, 1, b"eps", ctypes.byref(handle))
    assert status == INVALID_ARGUMENT


@given(st.floats(-2, 20, width=32), st.integers(0, 2**32 - 1))
def test_guidance(core: ctypes.CDLL, scale: float, seed: int) -> None:
    unconditional, conditional = random_pair(seed, (4, 4))
    expected = unconditional + np.float32(scale) * (conditional - unconditional)
    out = conditional.copy()  # in place, as the session calls it
    arrays = (unconditional.ctypes.data, out.ctypes.data, scale, out.size, out.ctypes.data)
    core.lkt_combine_guidance(*arrays)
    np.testing.assert_array_equal(out, expected)
