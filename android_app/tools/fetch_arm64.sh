#!/usr/bin/env bash
# Fetches what compiling and running the core for 64-bit ARM takes on an x86-64 Debian 12. No root is needed, nothing is
# installed. Everything lies in build/toolchains/arm64, and nothing is done when it is there and up to date:
#
#   host/   x86-64: Debian's cross compiler and qemu
#   root/   arm64: Debian's C library and Python, and the tests' Python packages in .venv's versions (but for torch);
#           usr/bin/python3-arm64 is that Python under qemu
#   bin/    aarch64-linux-gnu-g++
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/fetch_debian.sh

TOOLS=$PWD/build/toolchains/arm64
PYTHON=$PWD/.venv/bin/python
COMPILER=(g++-12-aarch64-linux-gnu gcc-12-aarch64-linux-gnu cpp-12-aarch64-linux-gnu binutils-aarch64-linux-gnu
  libc6-arm64-cross libc6-dev-arm64-cross linux-libc-dev-arm64-cross libgcc-s1-arm64-cross libgcc-12-dev-arm64-cross
  libstdc++6-arm64-cross libstdc++-12-dev-arm64-cross)
GUEST=(libc6 libgcc-s1 libstdc++6 libcrypt1 zlib1g libbz2-1.0 liblzma5 libexpat1 libffi8 libssl3 libsqlite3-0 libuuid1
  libpython3.11-minimal libpython3.11-stdlib python3.11-minimal)
# What the core's tests import, and the two packages that the core is compiled with.
WHEELS=(diffusers hypothesis nlohmann-json numpy pillow pillow-heif pytest safetensors scipy tokenizers transformers)
# An oracle of the tests, not under test: its later wheels for arm64 do not load without CUDA. It and executorch come
# without what they depend on, which pip takes from the machine that asks.
TORCH=torch==2.9.1
TORCH_NEEDS=(filelock fsspec jinja2 networkx sympy typing-extensions)

fetch_packages() {
  debian_update "$TOOLS/apt" amd64 arm64
  debian_unpack "$TOOLS/host" amd64 "${COMPILER[@]}" qemu-user-static
  debian_unpack "$TOOLS/root" arm64 "${GUEST[@]}"
}

write_commands() {
  mkdir -p "$TOOLS/bin"
  # The linker's own libraries lie beside it, where the loader does not look.
  cat > "$TOOLS/bin/aarch64-linux-gnu-g++" << EOF
#!/bin/sh
LD_LIBRARY_PATH='$TOOLS/host/usr/lib/x86_64-linux-gnu' exec '$TOOLS/host/usr/bin/aarch64-linux-gnu-g++-12' \\
  --sysroot='$TOOLS/host' "\$@"
EOF
  # It lies beside the real one because Python finds its library from the path it was called by. The tests start Python
  # again by that same path (sys.executable), so the children of an emulated test are emulated too.
  # A phone's processor of 2019: dot products and half floats, no SVE.
  cat > "$TOOLS/root/usr/bin/python3-arm64" << EOF
#!/bin/sh
exec '$TOOLS/host/usr/bin/qemu-aarch64-static' -cpu cortex-a76 -L '$TOOLS/root' -0 "\$0" \\
  '$TOOLS/root/usr/bin/python3.11' "\$@"
EOF
  chmod +x "$TOOLS/bin/aarch64-linux-gnu-g++" "$TOOLS/root/usr/bin/python3-arm64"
}

fetch_wheels() {
  local frozen=$TOOLS/versions.txt site=$TOOLS/root/usr/local/lib/python3.11/dist-packages
  "$PYTHON" -m pip freeze --exclude-editable > "$frozen"
  local options=(-qq --target "$site" --upgrade --only-binary=:all: --python-version 3.11 --implementation cp)
  local minor
  for minor in 17 24 26 27 28 31 34 35; do options+=(--platform "manylinux_2_${minor}_aarch64"); done
  options+=(--platform manylinux2014_aarch64)
  "$PYTHON" -m pip install "${options[@]}" --no-deps "$TORCH" "$(grep '^executorch==' "$frozen")"
  "$PYTHON" -m pip install "${options[@]}" --constraint "$frozen" "${WHEELS[@]}" "${TORCH_NEEDS[@]}"
}

if [ "$(uname -m)" != x86_64 ]; then
  echo "error: this script emulates arm64 on x86-64; this machine is $(uname -m)" >&2
  exit 1
fi
# The commands hold this folder's path.
scripts=(android_app/tools/fetch_arm64.sh android_app/tools/fetch_debian.sh)
wanted=$({ pwd && cat "${scripts[@]}" && grep '==' pyproject.toml; } | sha256sum)
if [ "$(cat "$TOOLS/fetched" 2> /dev/null)" != "$wanted" ]; then
  rm -rf "$TOOLS"
  mkdir -p "$TOOLS"
  fetch_packages
  write_commands
  fetch_wheels
  echo "$wanted" > "$TOOLS/fetched"
fi
