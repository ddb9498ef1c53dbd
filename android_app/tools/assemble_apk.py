"""Puts an APK together: what aapt2 linked, dex files, native libraries, the bundle, aligned so that Android maps them.

    python android_app/tools/assemble_apk.py --linked linked.apk --dex dex --libraries lib --bundle bundle \\
      --output app.apk

`lib` holds a folder an ABI; the bundle goes to assets/bundle. Both are stored, not compressed: Android maps libraries
from the APK, and the app asks it for the sizes of the bundle's files. A stored file begins at a multiple of 4 bytes, a
library at one of 16 KiB, the largest page of a phone. The multiple stands in the entry's extra field, where apksigner
looks when it copies.
"""

from __future__ import annotations

import argparse
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

PAGE = 16384
STORED_ALIGNMENT = 4
ALIGNMENT_FIELD = 0xD935
"""Id of the extra field that holds an alignment, two bytes, and then the padding that brings it about."""
LOCAL_HEADER = 30
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Every entry's time: equal inputs make equal bytes."""


def alignment_of(name: str) -> int:
    return PAGE if name.endswith(".so") else STORED_ALIGNMENT


def aligned_extra(offset: int, name: str) -> bytes:
    """The extra field with which the data of a stored entry, whose header is at `offset`, begins at its multiple."""
    multiple = alignment_of(name)
    head = LOCAL_HEADER + len(name.encode()) + 6
    padding = -(offset + head) % multiple
    return struct.pack("<HHH", ALIGNMENT_FIELD, 2 + padding, multiple) + bytes(padding)


def add(apk: zipfile.ZipFile, name: str, data: bytes, compressed: bool) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    if not compressed:
        assert apk.fp is not None
        entry.extra = aligned_extra(apk.fp.tell(), name)
    apk.writestr(entry, data)


def files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Every file under `folder` with its name in the APK, sorted."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield f"{prefix}{path.relative_to(folder).as_posix()}", path


def assemble(linked: Path, dex: Path, libraries: Path, bundle: Path, output: Path) -> None:
    with zipfile.ZipFile(output, "w") as apk, zipfile.ZipFile(linked) as source:
        for entry in source.infolist():
            # resources.arsc is stored by aapt2 and must stay so: Android maps it.
            add(apk, entry.filename, source.read(entry), entry.compress_type != zipfile.ZIP_STORED)
        for name, path in files(dex, ""):
            add(apk, name, path.read_bytes(), True)
        for name, path in (*files(libraries, "lib/"), *files(bundle, "assets/bundle/")):
            add(apk, name, path.read_bytes(), False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linked", type=Path, required=True, help="aapt2's output: manifest and resources")
    parser.add_argument("--dex", type=Path, required=True, help="folder of classes.dex, classes2.dex, ...")
    parser.add_argument("--libraries", type=Path, required=True, help="folder with a folder of libraries an ABI")
    parser.add_argument("--bundle", type=Path, required=True, help="the model's folder")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    assemble(args.linked, args.dex, args.libraries, args.bundle, args.output)


if __name__ == "__main__":
    main()
