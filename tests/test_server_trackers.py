"""Where a run's figures go when a service can't be reached. wandb itself is not among the project's packages: what
stands in for it here answers the two questions that are asked of it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from server_distill.training.trackers import available


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home without anyone's keys, and the environment put back as it was."""
    for name in ("WANDB_MODE", "WANDB_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


def install_wandb(monkeypatch: pytest.MonkeyPatch, address: str, key: str | None = None) -> list[str]:
    """Let `import wandb` find one with these settings; the list is of what was called."""
    calls: list[str] = []
    wandb = ModuleType("wandb")
    wandb.__spec__ = ModuleSpec("wandb", None)
    settings = SimpleNamespace(base_url=address, api_key=key)
    wandb.setup = lambda: (calls.append("setup"), SimpleNamespace(settings=settings))[1]  # type: ignore[attr-defined]
    wandb.teardown = lambda: calls.append("teardown")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return calls


def test_without_a_server_wandb_is_offline_beside_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = install_wandb(monkeypatch, nowhere, key="k")
    assert available("wandb", tmp_path / "logs") == ["wandb"]
    assert os.environ["WANDB_MODE"] == "offline"
    assert Path(os.environ["WANDB_DIR"]) == tmp_path / "logs" and (tmp_path / "logs").is_dir()
    assert "can't be reached: an offline run is kept" in capsys.readouterr().err
    assert calls == ["setup", "teardown"], "wandb must forget the environment that it was asked in"


def test_without_a_key_wandb_is_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install_wandb(monkeypatch, server)
    assert available("wandb", tmp_path) == ["wandb"]
    assert os.environ["WANDB_MODE"] == "offline"
    assert "wandb login" in capsys.readouterr().err


@pytest.mark.parametrize("kept_in", ["settings", "netrc"])
def test_with_server_and_key_wandb_is_online(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str, kept_in: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kept_in == "netrc":
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password k\n")
        (tmp_path / ".netrc").chmod(0o600)
    install_wandb(monkeypatch, server, key="k" if kept_in == "settings" else None)
    assert available("wandb", tmp_path) == ["wandb"]
    assert "WANDB_MODE" not in os.environ
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("mode", ["disabled", "online"])
def test_a_mode_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nowhere: str, mode: str) -> None:
    calls = install_wandb(monkeypatch, nowhere)
    monkeypatch.setenv("WANDB_MODE", mode)
    assert available("wandb", tmp_path) == ["wandb"]
    assert os.environ["WANDB_MODE"] == mode and calls == []


def test_services_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert available("comet_ml", tmp_path) == []
    assert "comet_ml is not installed" in capsys.readouterr().err
    with pytest.raises(ValueError, match="none of jsonl"):
        available("no-such-service", tmp_path)
    assert available("jsonl", tmp_path) == []
