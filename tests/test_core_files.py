"""SHA-256 against hashlib; reading, mapping, and replacing files, with the disk full as well."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

INVALID, IO, CORRUPT, DISK_FULL = 1, 2, 3, 10


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 130))
def test_sha256(testing_library: ctypes.CDLL, data: bytes, piece: int) -> None:
    out = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t
    testing_library.lkt_sha256(data, size(len(data)), size(piece), out)
    assert out.raw.decode() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 55, 56, 63, 64, 65, 65535, 65536, 200_001])
def test_sha256_of_a_file(testing_library: ctypes.CDLL, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    out = ctypes.create_string_buffer(64)
    assert testing_library.lkt_sha256_file(os.fsencode(path), out) == 0
    assert out.raw.decode() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert testing_library.lkt_sha256_file(os.fsencode(tmp_path / "none"), out) == IO
    assert testing_library.lkt_sha256_file(os.fsencode(tmp_path), out) == IO


def read(library: ctypes.CDLL, path: Path, limit: int = 1 << 20, mapped: bool = False) -> bytes | int:
    """The file's bytes, or the error code."""
    out = ctypes.create_string_buffer(1 << 20)
    size = ctypes.c_size_t()
    tail = (out, ctypes.c_size_t(len(out)), ctypes.byref(size))
    name = os.fsencode(path)
    code: int = (
        library.lkt_map_file(name, *tail) if mapped else library.lkt_read_file(name, ctypes.c_size_t(limit), *tail)
    )
    return code or out.raw[: size.value]


def message(library: ctypes.CDLL) -> str:
    library.lkt_error_message.restype = ctypes.c_char_p
    text: bytes = library.lkt_error_message()
    return text.decode()


@pytest.mark.parametrize("mapped", [False, True])
def test_reading(testing_library: ctypes.CDLL, tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "file"
    for data in (b"", b"x", os.urandom(100_000)):
        path.write_bytes(data)
        assert read(testing_library, path, mapped=mapped) == data
    assert read(testing_library, tmp_path / "none", mapped=mapped) == IO
    assert "none" in message(testing_library)
    assert read(testing_library, tmp_path, mapped=mapped) == IO
    assert read(testing_library, Path("/dev/zero"), mapped=mapped) == IO, "not a regular file"


def test_the_size_limit(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    assert read(testing_library, path, 100) == bytes(100)
    assert read(testing_library, path, 99) == CORRUPT
    assert "100 bytes" in message(testing_library) and "99" in message(testing_library)


def write(library: ctypes.CDLL, path: Path | str, data: bytes) -> int:
    code: int = library.lkt_atomic_write(os.fsencode(path), data, ctypes.c_size_t(len(data)))
    return code


def test_atomic_write(testing_library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    for data in (b"one", b"", os.urandom(300_000)):
        assert write(testing_library, path, data) == 0
        assert path.read_bytes() == data
    monkeypatch.chdir(tmp_path)
    assert write(testing_library, "relative", b"two") == 0 and Path("relative").read_bytes() == b"two"
    assert sorted(os.listdir(tmp_path)) == ["file", "relative"]
    assert write(testing_library, tmp_path / "no" / "file", b"x") == IO
    (tmp_path / "folder").mkdir()
    assert write(testing_library, tmp_path / "folder", b"x") == IO
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "relative"]


def test_a_reader_sees_the_old_or_the_new_file(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(testing_library, path, b"old" * 1000)
    with open(path, "rb") as opened_before:
        write(testing_library, path, b"new" * 1000)
        assert opened_before.read() == b"old" * 1000
    assert path.read_bytes() == b"new" * 1000


def test_a_full_disk_by_file_size_limit(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    """RLIMIT_FSIZE gives a short write and then EFBIG, as a quota does."""
    path = tmp_path / "file"
    assert write(testing_library, path, b"old") == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        code = write(testing_library, path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert code == DISK_FULL and "free some storage" in message(testing_library)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    """A file system of 64 KiB, where one may be mounted (root only)."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        path = tmp_path / "file"
        assert write(testing_library, path, b"old" * 1000) == 0
        assert write(testing_library, path, bytes(100_000)) == DISK_FULL
        assert path.read_bytes() == b"old" * 1000 and os.listdir(tmp_path) == ["file"]
        assert write(testing_library, path, b"new") == 0 and path.read_bytes() == b"new"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_killed_at_any_instant(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    """A process that is killed while it writes leaves a whole file, old or new."""
    path = tmp_path / "file"
    program = textwrap.dedent(
        """
        import ctypes, sys
        library = ctypes.CDLL(sys.argv[1])
        print(flush=True)
        for i in range(10**9):
            data = bytes([i % 251]) * (50_000 + i % 7)
            library.lkt_atomic_write(sys.argv[2].encode(), data, ctypes.c_size_t(len(data)))
        """
    )
    command = [sys.executable, "-c", program, testing_library._name, str(path)]
    for round_number in range(8):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(0.02 + 0.013 * round_number)
            except subprocess.TimeoutExpired:
                process.kill()
        if path.exists():
            data = path.read_bytes()
            assert 50_000 <= len(data) < 50_007 and len(set(data)) == 1
