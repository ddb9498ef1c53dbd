"""android_app/tools: how an APK is put together, and what its check finds."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "android_app" / "tools"))

import assemble_apk
import check_apk
import dex_classes

GOOD_BADGING = "\n".join(
    [
        "package: name='app.likeness' versionCode='1' versionName='0.1'",
        "minSdkVersion:'26'",
        "targetSdkVersion:'35'",
        *(f"uses-permission: name='{name}'" for name in sorted(check_apk.PERMISSIONS)),
    ]
)


def elf(alignment: int) -> bytes:
    """A 64-bit little-endian ELF file of one mapped segment."""
    header = b"\x7fELF\x02\x01" + bytes(26) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 1) + bytes(6)
    segment = struct.pack("<II", check_apk.PT_LOAD, 5) + bytes(40) + struct.pack("<Q", alignment)
    return header + segment


def dex(*names: str) -> bytes:
    """A dex file of empty classes: header, string, type and class tables, strings."""
    count = len(names)
    strings, types = 0x70, 0x70 + 4 * count
    classes = types + 4 * count
    data_at = classes + 32 * count
    offsets, data = [], b""
    for name in names:
        descriptor = f"L{name.replace('.', '/')};".encode()
        offsets.append(data_at + len(data))
        data += bytes([len(descriptor)]) + descriptor + b"\0"
    header = bytearray(b"dex\n035\0" + bytes(0x68))
    struct.pack_into("<II", header, 0x38, count, strings)
    struct.pack_into("<II", header, 0x40, count, types)
    struct.pack_into("<II", header, 0x60, count, classes)
    tables = struct.pack(f"<{count}I", *offsets) + struct.pack(f"<{count}I", *range(count))
    tables += b"".join(struct.pack("<I", i) + bytes(28) for i in range(count))
    return bytes(header) + tables + data


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """What assemble() takes, in folders."""
    for name in ("dex", "lib/arm64-v8a", "bundle/methods"):
        (tmp_path / name).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "linked.apk", "w") as linked:
        linked.writestr("AndroidManifest.xml", b"m" * 1000, zipfile.ZIP_DEFLATED)
        linked.writestr("resources.arsc", b"r" * 1000, zipfile.ZIP_STORED)
    (tmp_path / "dex" / "classes.dex").write_bytes(dex("app.likeness.MainActivity"))
    (tmp_path / "lib" / "arm64-v8a" / "liba.so").write_bytes(elf(16384))
    (tmp_path / "lib" / "arm64-v8a" / "libb.so").write_bytes(elf(16384) + b"more")
    (tmp_path / "bundle" / "manifest.json").write_bytes(b"{}")
    (tmp_path / "bundle" / "methods" / "denoise.pte").write_bytes(bytes(12345))
    return tmp_path


def assembled(parts: Path, name: str = "app.apk") -> Path:
    assemble_apk.assemble(parts / "linked.apk", parts / "dex", parts / "lib", parts / "bundle", parts / name)
    return parts / name


def test_everything_is_there_aligned_and_stored_as_android_wants_it(parts):
    with zipfile.ZipFile(assembled(parts)) as apk:
        assert apk.testzip() is None
        stored = {entry.filename for entry in apk.infolist() if entry.compress_type == zipfile.ZIP_STORED}
        for entry in apk.infolist():
            if entry.filename in stored:
                assert check_apk.data_offset(apk, entry) % assemble_apk.alignment_of(entry.filename) == 0
        libraries = {"lib/arm64-v8a/liba.so", "lib/arm64-v8a/libb.so"}
        bundle = {"assets/bundle/manifest.json", "assets/bundle/methods/denoise.pte"}
        assert stored == {"resources.arsc"} | bundle | libraries
        assert set(apk.namelist()) == stored | {"AndroidManifest.xml", "classes.dex"}
    assert check_apk.library_problems(parts / "app.apk") == []


def test_equal_parts_make_equal_bytes(parts):
    assert assembled(parts).read_bytes() == assembled(parts, "again.apk").read_bytes()


@given(st.integers(0, 2**31), st.text("aü/.", min_size=1, max_size=40), st.booleans())
def test_the_extra_field_ends_on_the_multiple(offset, name, library):
    name += ".so" if library else ".pte"
    extra = assemble_apk.aligned_extra(offset, name)
    identifier, size, multiple = struct.unpack_from("<HHH", extra)
    assert (identifier, size) == (assemble_apk.ALIGNMENT_FIELD, len(extra) - 4)
    assert (offset + 30 + len(name.encode()) + len(extra)) % multiple == 0
    assert multiple == (16384 if library else 4)


def test_libraries_that_cannot_be_mapped_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.apk", "w") as apk:
        apk.writestr("lib/arm64-v8a/small.so", elf(4096))
        apk.writestr("lib/arm64-v8a/packed.so", elf(16384), zipfile.ZIP_DEFLATED)
    problems = " ".join(check_apk.library_problems(tmp_path / "a.apk"))
    assert "small.so is linked for pages of 4096" in problems
    assert "small.so does not begin on a boundary" in problems
    assert "packed.so is compressed" in problems


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", ""),
        ("app.likeness", "app.other", "package is app.other"),
        ("minSdkVersion:'26'", "minSdkVersion:'24'", "minSdkVersion is 24"),
        ("targetSdkVersion:'35'", "", "targetSdkVersion is missing"),
        ("uses-permission: name='android.permission.WAKE_LOCK'", "", "WAKE_LOCK is missing"),
        ("WAKE_LOCK'", "WAKE_LOCK'\nuses-permission: name='a.p.INTERNET'", "INTERNET is asked for"),
        ("WAKE_LOCK'", "WAKE_LOCK'\nuses-permission-sdk-23: name='a.p.INTERNET'", "INTERNET is asked for"),
    ],
)
def test_a_badging_that_is_not_what_is_meant(old, new, problem):
    problems = check_apk.badging_problems(GOOD_BADGING.replace(old, new) if old else GOOD_BADGING)
    assert [problem in p for p in problems] == ([True] if problem else [])


@pytest.mark.parametrize(("value", "right"), [("false", True), ("true", False), (None, False)])
def test_backup_must_be_refused(value, right):
    line = f"A: http://x/res/android:allowBackup(0x01010280)={value}" if value else ""
    assert (check_apk.backup_problems(line) == []) is right


def test_components_that_no_dex_file_has_are_named(parts):
    apk = assembled(parts)
    activity = '  E: activity (line=27)\n    A: x\n    A: android:name(0x01010003)=".MainActivity" (Raw: "x")\n'
    assert check_apk.component_problems(activity, apk) == []
    service = '  E: service (line=30)\n    A: android:name(0x01010003)="app.likeness.Gone" (Raw: "x")\n'
    problems = check_apk.component_problems(activity + service, apk)
    assert problems == ["the manifest names app.likeness.Gone, which is not there"]
    assert check_apk.component_problems("", apk) == ["the manifest names no component"]


def test_dex_classes():
    assert dex_classes.dex_classes(dex("a.B", "c.D$E")) == {"a.B", "c.D$E"}
    with pytest.raises(ValueError, match="not a dex file"):
        dex_classes.dex_classes(b"PK\3\4")
