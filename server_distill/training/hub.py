"""Upload a result to the hub where that can be reached, else say so: the folder is the result either way."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants

WAIT = 3.0
"""Seconds that the hub may take to answer."""
LEFT_OUT = ["checkpoint-*", "latents/*", "teacher/*", "logs/*", ".*"]
"""What only this machine needs."""


def unreachable() -> str | None:
    """Why the hub can't be asked, or None."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return None  # what is reachable through a proxy only the request itself can say
    address = urlsplit(constants.ENDPOINT)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        with socket.create_connection((address.hostname or "", port), WAIT):
            return None
    except OSError as error:
        return f"{address.hostname} can't be reached ({error})"


def push(folder: Path, args: argparse.Namespace) -> str | None:
    """Upload `folder` without its checkpoints if --push_to_hub asks for it; returns the repository's name.

    None, with a line on standard error, where that fails: a run must not be lost for it.
    """
    if not args.push_to_hub:
        return None
    reason = unreachable()
    if reason is None:
        try:
            api = HfApi(token=args.hub_token)
            repository: str = api.create_repo(args.hub_model_id or folder.resolve().name, exist_ok=True).repo_id
            api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message="Likeness", ignore_patterns=LEFT_OUT
            )
            return repository
        except Exception as error:  # whatever it is, a finished run must not be lost for an upload
            reason = next(iter(str(error).splitlines()), type(error).__name__)
    print(f"not pushed to the hub: {reason}. {folder} is kept; `hf upload` sends it later", file=sys.stderr)
    return None
