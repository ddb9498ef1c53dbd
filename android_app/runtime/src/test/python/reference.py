"""What Python's wrapper makes of the same photos, seeds and settings as Kotlin's test: see SameBytesAsPythonTest.kt.

    python reference.py BUNDLE FOLDER

reads FOLDER/request.json and the photos it names, raw RGB, and writes beside them

    adapter.safetensors   what a session learned
    pictures.rgb          what the adapter paints, pictures one after the other
    tokens.json           token ids of the request's texts
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from device_runtime import Engine, Session


def main(bundle: Path, folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text("utf-8"))
    with Engine(bundle, threads=1) as engine:
        with Session.create(engine, engine.train_settings(**request["training"])) as session:
            for photo in request["photos"]:
                pixels = np.fromfile(folder / photo["file"], np.uint8)
                session.add_photo(pixels.reshape(photo["height"], photo["width"], 3))
            session.run()
            session.save_adapter(folder / "adapter.safetensors")
        with engine.load_adapter(folder / "adapter.safetensors") as adapter:
            engine.generate(adapter=adapter, **request["sampling"]).tofile(folder / "pictures.rgb")
            tokens = [engine.tokenize(text, adapter) for text in request["texts"]]
    (folder / "tokens.json").write_text(json.dumps(tokens))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
