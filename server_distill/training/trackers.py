"""Where a run's figures and pictures go: always into its own folder, and to the services that were asked for.

    <output>/<logging_dir>/training.jsonl     a line a step: {"step": 1, "loss": …, "lr": …}
    <output>/<logging_dir>/validation-N.png   pictures of step N

A service that is not installed or can't be reached is said so once, and the run goes on: wandb then keeps an offline
run beside them (<output>/<logging_dir>/wandb), which `wandb sync` uploads later.
"""

from __future__ import annotations

import importlib.util
import json
import netrc
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from accelerate import Accelerator

from models.whole_files import whole_file
from server_distill.contact_sheet import contact_sheet

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "comet_ml": "comet_ml"}
WAIT = 3.0
"""Seconds that a service may take to answer."""


class RunLog:
    """The figures of a run in its own folder; a resumed run drops the lines that it will write again."""

    NAME = "training.jsonl"

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self.folder = folder
        self.path = folder / self.NAME
        kept = [line for line in self._lines() if json.loads(line)["step"] <= resumed_at]
        with whole_file(self.path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))

    def _lines(self) -> list[str]:
        """The whole lines there are; a kill may have cut the last one."""
        if not self.path.exists():
            return []
        text = self.path.read_text()
        return text.split("\n")[:-1]

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")

    def pictures(self, step: int, pictures: list[np.ndarray], prompts: list[str]) -> None:
        """Pictures uint8 (H, W, 3), a caption each."""
        contact_sheet([pictures], self.folder / f"validation-{step}.png", captions=[prompts])


def mean_of_last(folder: Path, count: int) -> dict[str, float]:
    """The mean of each figure over the last `count` steps in a run's folder of logs."""
    lines = [json.loads(line) for line in (folder / RunLog.NAME).read_text().splitlines()[-count:]]
    return {name: sum(line[name] for line in lines) / len(lines) for name in lines[-1]}


def available(report_to: str, folder: Path) -> list[str]:
    """The services among `--report_to`'s that can be used here; says of the others why they can't.

    What a service keeps on this machine goes into the run's `folder` of logs.
    """
    asked = list(PACKAGES) if report_to == "all" else [name for name in report_to.split(",") if name != "jsonl"]
    usable = []
    for name in asked:
        if name not in PACKAGES:
            raise ValueError(f"--report_to={name} is none of jsonl, {', '.join(PACKAGES)}, all")
        if importlib.util.find_spec(PACKAGES[name]) is None:
            if report_to != "all":
                print(f"{name} is not installed (pip install {name}): logs/training.jsonl alone", file=sys.stderr)
            continue
        if name == "wandb":
            _prepare_wandb(folder)
        usable.append(name)
    return usable


def _prepare_wandb(folder: Path) -> None:
    """Let wandb keep its files in `folder`, offline where it could send nothing. WANDB_DIR and WANDB_MODE go first."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_DIR", str(folder))
    if "WANDB_MODE" not in os.environ and (problem := _wandb_problem()):
        print(f"{problem}: an offline run is kept; `wandb sync` uploads it", file=sys.stderr)
        os.environ["WANDB_MODE"] = "offline"


def _wandb_problem() -> str | None:
    """Why wandb could send nothing, or None."""
    import wandb

    settings = wandb.setup().settings
    address, has_key = urlsplit(settings.base_url), bool(settings.api_key)
    wandb.teardown()  # it remembers the environment of its first use
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        with socket.create_connection((address.hostname or "", port), WAIT):
            pass
    except OSError:
        return "wandb's server can't be reached"
    if not has_key and not _known_to_netrc(address.hostname or ""):
        return "wandb has no key (wandb login)"
    return None


def _known_to_netrc(host: str) -> bool:
    """Whether `wandb login` left a key for the server."""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def log_pictures(accelerator: Accelerator, step: int, pictures: list[np.ndarray]) -> None:
    """Give pictures uint8 (H, W, 3) to every service that takes some."""
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            tracker.log_images({"validation": np.stack(pictures)}, step=step, dataformats="NHWC")  # type: ignore[attr-defined]
        elif tracker.name == "wandb":
            tracker.log_images({"validation": pictures}, step=step)  # type: ignore[attr-defined]
