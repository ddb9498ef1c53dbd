#!/usr/bin/env bash
# Cross-compiles the core and the JNI library for 64-bit ARM Linux, where something has changed, into build/arm64:
#
#   liblikeness.so liblikeness_testing.so   the core, over the ExecuTorch of the arm64 wheel
#   jni/liblikeness_jni.so                  what Kotlin loads
#
# They are linked against glibc. Android's C library is another, and they do not load there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BUILD=$PWD/build/arm64
TOOLS=$PWD/build/toolchains/arm64

android_app/tools/fetch_arm64.sh
export PATH=$TOOLS/bin:$PWD/.venv/bin:$PATH
options=(-G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_TOOLCHAIN_FILE=$PWD/device_runtime/cmake/aarch64-linux-gnu.cmake"
  # Phones have pages of 4 or 16 KiB.
  -DCMAKE_SHARED_LINKER_FLAGS=-Wl,-z,max-page-size=16384)
mkdir -p build
{
  cmake -S device_runtime -B "$BUILD" "${options[@]}" "-DLIKENESS_PYTHON=$PWD/.venv/bin/python" \
    "-DLIKENESS_PYTHON_SITE=$TOOLS/root/usr/local/lib/python3.11/dist-packages"
  cmake --build "$BUILD"
  cmake -S android_app/runtime/src/main/cpp -B "$BUILD/jni" "${options[@]}" "-DLIKENESS_LIBRARY=$BUILD/liblikeness.so"
  cmake --build "$BUILD/jni"
} > "$BUILD.log" 2>&1 || {
  cat "$BUILD.log"
  exit 1
}
