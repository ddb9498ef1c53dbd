#!/usr/bin/env bash
# Compiles the runtime library for the JVM of this machine, where something has changed:
#
#   build/android_runtime/jni/liblikeness_jni.so   over build/device_runtime/liblikeness.so (`make core`)
#   build/android_runtime/classes                  Kotlin's part
#
# Needs .venv (`make venv`), a C++ compiler and a JDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/compile_kotlin.sh

OUT=$PWD/build/android_runtime
RUNTIME=android_app/runtime/src/main

android_app/tools/fetch_kotlin.sh
mkdir -p "$OUT"
build_native() {
  make core &&
    .venv/bin/cmake -S "$RUNTIME/cpp" -B "$OUT/jni" -G Ninja -DCMAKE_MAKE_PROGRAM="$PWD/.venv/bin/ninja" \
      -DLIKENESS_LIBRARY="$PWD/build/device_runtime/liblikeness.so" &&
    .venv/bin/cmake --build "$OUT/jni"
}
build_native > "$OUT/jni.log" 2>&1 || {
  cat "$OUT/jni.log"
  exit 1
}
compile_kotlin "$RUNTIME/kotlin" "$OUT/classes" "$COROUTINES" -module-name runtime
