"""The device core from Python, over the same C header (include/likeness.h) that phones use.

    from device_runtime import Engine, Session, load_photo

    with Engine("out/bundle") as engine:
        with Session.create(engine, engine.train_settings(class_name="dog", token="<my-dog>")) as session:
            session.add_photo(load_photo("dog.jpg"))
            session.run()
            session.save_adapter("my-dog.safetensors")
        with engine.load_adapter("my-dog.safetensors") as adapter:
            pictures = engine.generate("a <my-dog> dog in a bucket", adapter=adapter, count=4)

`python -m device_runtime --help` does the same from the command line.
"""

from device_runtime.engine import Adapter, Engine, SampleSettings
from device_runtime.errors import (
    BadPhotoError,
    BusyError,
    CancelledError,
    CorruptError,
    DiskFullError,
    InternalError,
    InvalidArgumentError,
    LikenessError,
    LikenessIOError,
    NotFiniteError,
    OutOfMemoryError,
    UnsupportedVersionError,
    WrongModelError,
)
from device_runtime.photos import load_photo
from device_runtime.session import Plan, Progress, Session, TrainSettings

__all__ = [
    "Adapter",
    "BadPhotoError",
    "BusyError",
    "CancelledError",
    "CorruptError",
    "DiskFullError",
    "Engine",
    "InternalError",
    "InvalidArgumentError",
    "LikenessError",
    "LikenessIOError",
    "NotFiniteError",
    "OutOfMemoryError",
    "Plan",
    "Progress",
    "SampleSettings",
    "Session",
    "TrainSettings",
    "UnsupportedVersionError",
    "WrongModelError",
    "load_photo",
]
