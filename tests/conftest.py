"""Shared fixtures: few threads, and the C++ core's test-only library."""

from __future__ import annotations

import os

# Before torch or numpy is imported anywhere: tests are small, more threads only slow them down.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import contextlib  # noqa: E402
import ctypes  # noqa: E402
import fcntl  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent
# `tests` itself is a package to its modules, wherever pytest is started.
sys.path.insert(0, str(REPOSITORY))

from tests.bundles import ExportedModel, ensure  # noqa: E402


def build_directory() -> Path:
    """Where the core is built: `LIKENESS_BUILD_DIR`, or build/device_runtime."""
    return Path(os.environ.get("LIKENESS_BUILD_DIR", REPOSITORY / "build" / "device_runtime"))


def _tool(name: str) -> str:
    """`name` from this interpreter's own environment, else from PATH."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else shutil.which(name) or name


@contextlib.contextmanager
def _build_lock(directory: Path) -> Iterator[None]:
    """Two pytest processes must not run ninja in one folder at the same time."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".pytest-build.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-6000:]}{done.stderr[-6000:]}")


def build_core(*targets: str) -> Path:
    """Bring `targets` of the C++ core up to date (0.1 s when they are); returns the folder."""
    directory = build_directory()
    with _build_lock(directory):
        if not (directory / "build.ninja").exists():
            _run(
                [
                    _tool("cmake"),
                    *("-S", str(REPOSITORY / "device_runtime"), "-B", str(directory)),
                    *("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}"),
                    *("-DCMAKE_BUILD_TYPE=Release", f"-DLIKENESS_PYTHON={sys.executable}"),
                ]
            )
        _run([_tool("cmake"), "--build", str(directory), "-j2", "--target", *targets])
    return directory


@pytest.fixture(scope="session")
def testing_library() -> ctypes.CDLL:
    """The core's internals as plain `lkt_` functions, never older than their sources."""
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    return ctypes.CDLL(str(build_core("likeness_testing") / f"liblikeness_testing{suffix}"))


@pytest.fixture(scope="session")
def runtime_library() -> Path:
    """The core's public library, never older than its sources; device_runtime loads this one."""
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    path = build_core("likeness") / f"liblikeness{suffix}"
    os.environ["LIKENESS_LIBRARY"] = str(path)
    return path


@pytest.fixture(scope="session")
def tiny_bundle(runtime_library: Path) -> ExportedModel:
    """A very small model and its bundle, exported into build/ and kept (a minute the first time)."""
    return ensure("tiny")


@pytest.fixture(scope="session")
def staged_bundle(runtime_library: Path) -> ExportedModel:
    """The model of `tiny_bundle`, its UNet in stages (minutes the first time): for slow tests."""
    return ensure("tiny-staged")


@pytest.fixture(scope="session")
def default_bundle(runtime_library: Path) -> ExportedModel:
    """The default student and its bundle, exported into build/ and kept (minutes the first time): for slow tests."""
    return ensure("default")


@pytest.fixture(scope="session", autouse=True)
def _single_thread() -> None:
    """Keep torch, where a test uses it, to one thread."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """What a test draws without a generator of its own is the same every time: one that fails, fails again."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


@pytest.fixture()
def few_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autoencoders' training on the held-out objects, whose pictures come with the repository."""
    from server_distill.default_model import objects, painting_examples  # torch: only where it is needed

    unnamed = sorted(objects.HELD_OUT_PICTURES.glob("*.webp"))[-5:]
    items = objects.read_catalogue("held_out")[:5]
    monkeypatch.setattr(painting_examples, "read_catalogue", lambda split: items)
    monkeypatch.setattr(painting_examples, "pictures_beyond_the_catalogue", lambda: unnamed)
