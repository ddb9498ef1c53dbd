"""Checks that an APK is what it should be, and writes what it says of itself.

    python android_app/tools/check_apk.py out/android/likeness-debug.apk --aapt2 build/toolchains/android/aapt2 \\
        --report out/android/badging.txt

Checked: package, lowest and target API level; no permission but those meant, and so none to use the network; no backup;
that the classes which the manifest names are there; that every native library is stored on a 16 KiB boundary and may be
mapped there. Exits with 1 and says what is wrong.
"""

from __future__ import annotations

import argparse
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

from dex_classes import dex_classes

PACKAGE = "app.likeness"
MIN_SDK, TARGET_SDK = 26, 35
PERMISSIONS = {
    "android.permission.FOREGROUND_SERVICE",
    "android.permission.FOREGROUND_SERVICE_DATA_SYNC",
    "android.permission.FOREGROUND_SERVICE_MEDIA_PROCESSING",
    "android.permission.POST_NOTIFICATIONS",
    "android.permission.WAKE_LOCK",
}
PAGE = 16384
PT_LOAD = 1
COMPONENT_NAME = re.compile(
    r"E: (?:application|activity|service|receiver|provider) .*(?:\n +A: .*)*?"
    r"\n +A: \S*android:name\(\S+\)=\"([^\"]*)\""
)
"""The name of a component in aapt2's dump of a manifest: an attribute of the element, on a line below it."""


def dump(aapt2: Path, apk: Path, *what: str) -> str:
    return subprocess.run([aapt2, "dump", *what, apk], capture_output=True, text=True, check=True).stdout


def badging_problems(badging: str) -> list[str]:
    """What the badging has otherwise than meant."""
    expected = {
        "package": (r"^package: name='([^']*)'", PACKAGE),
        "minSdkVersion": (r"^(?:minS|s)dkVersion:'(\d+)'", str(MIN_SDK)),
        "targetSdkVersion": (r"^targetSdkVersion:'(\d+)'", str(TARGET_SDK)),
    }
    problems = []
    for name, (pattern, value) in expected.items():
        found = re.search(pattern, badging, re.MULTILINE)
        if found is None or found[1] != value:
            problems.append(f"{name} is {found[1] if found else 'missing'}, not {value}")
    permissions = set(re.findall(r"^uses-permission[^:]*: name='([^']*)'", badging, re.MULTILINE))
    problems += [f"the permission {name} is asked for and not meant" for name in sorted(permissions - PERMISSIONS)]
    problems += [f"the permission {name} is missing" for name in sorted(PERMISSIONS - permissions)]
    return problems


def backup_problems(manifest: str) -> list[str]:
    """`android:allowBackup` is a boolean attribute of <application>, written as its value or as all bits."""
    found = re.search(r"android:allowBackup\(0x[0-9a-f]+\)=(\S+)", manifest)
    if found is None:
        return ["allowBackup is not set, and Android backs up what an app does not refuse"]
    return [] if found[1] == "false" else [f"allowBackup is {found[1]}, not false"]


def component_problems(manifest: str, path: Path) -> list[str]:
    """Of the application and its activities, services and providers, those that no dex file defines."""
    named = {PACKAGE + name if name.startswith(".") else name for name in COMPONENT_NAME.findall(manifest)}
    with zipfile.ZipFile(path) as apk:
        dexes = [apk.read(name) for name in apk.namelist() if re.fullmatch(r"classes\d*\.dex", name)]
    defined = set().union(*map(dex_classes, dexes))
    problems = [f"the manifest names {name}, which is not there" for name in sorted(named - defined)]
    return problems if named else ["the manifest names no component"]


def data_offset(apk: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of `entry` begin in the file."""
    assert apk.fp is not None
    apk.fp.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", apk.fp.read(4))
    return entry.header_offset + 30 + name + extra


def load_alignments(library: bytes) -> list[int]:
    """`p_align` of the segments of a 64-bit little-endian ELF file that are mapped."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    table, size, count = struct.unpack_from("<Q", library, 32)[0], *struct.unpack_from("<HH", library, 54)
    headers = [library[table + i * size : table + (i + 1) * size] for i in range(count)]
    return [struct.unpack_from("<Q", h, 48)[0] for h in headers if struct.unpack_from("<I", h)[0] == PT_LOAD]


def library_problems(path: Path) -> list[str]:
    problems = []
    with zipfile.ZipFile(path) as apk:
        for entry in apk.infolist():
            if not entry.filename.endswith(".so"):
                continue
            if entry.compress_type != zipfile.ZIP_STORED:
                problems.append(f"{entry.filename} is compressed: it cannot be mapped")
            if data_offset(apk, entry) % PAGE:
                problems.append(f"{entry.filename} does not begin on a boundary of {PAGE} bytes")
            smallest = min(load_alignments(apk.read(entry)))
            if smallest < PAGE:
                problems.append(
                    f"{entry.filename} is linked for pages of {smallest} bytes: use -z max-page-size={PAGE}"
                )
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apk", type=Path)
    parser.add_argument("--aapt2", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    args = parser.parse_args()
    badging = dump(args.aapt2, args.apk, "badging")
    manifest = dump(args.aapt2, args.apk, "xmltree", "--file", "AndroidManifest.xml")
    args.report.write_text(badging)
    problems = badging_problems(badging) + backup_problems(manifest)
    problems += component_problems(manifest, args.apk) + library_problems(args.apk)
    for problem in problems:
        print(f"error: {args.apk}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
