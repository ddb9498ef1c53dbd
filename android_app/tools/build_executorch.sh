#!/usr/bin/env bash
# Builds ExecuTorch's C++ libraries for Android, which Gradle links into the app, into build/executorch_android:
#
#   ANDROID_NDK=.../ndk/28.2.13676358 android_app/tools/build_executorch.sh EXECUTORCH_SOURCE
#
# EXECUTORCH_SOURCE is a checkout of ExecuTorch at the tag v1.5.1 with its submodules; Python there needs what its
# README asks for. Half an hour. Not run where it was written: no NDK was to be had. (ExecuTorch's own Android package,
# an AAR, has its libraries for Java alone, without the C++ headers and libraries that the core needs.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

SOURCE=${1:?name a checkout of ExecuTorch v1.5.1}
: "${ANDROID_NDK:?set it to the folder of the NDK that android_app/gradle/libs.versions.toml names}"
OUT=$PWD/build/executorch_android

for abi in arm64-v8a x86_64; do
  # Everything off that the core does not use; of what it does, the same as in the desktop's package.
  cmake -S "$SOURCE" -B "$OUT/work/$abi" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$OUT/$abi" \
    -DCMAKE_TOOLCHAIN_FILE="$ANDROID_NDK/build/cmake/android.toolchain.cmake" -DANDROID_ABI="$abi" \
    -DANDROID_PLATFORM=android-26 -DANDROID_STL=c++_static -DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON \
    -DEXECUTORCH_BUILD_PRESET_FILE="$SOURCE/tools/cmake/preset/android.cmake" \
    -DEXECUTORCH_BUILD_ANDROID_JNI=OFF -DEXECUTORCH_BUILD_EXTENSION_LLM=OFF \
    -DEXECUTORCH_BUILD_EXTENSION_LLM_RUNNER=OFF -DEXECUTORCH_BUILD_KERNELS_LLM=OFF \
    -DEXECUTORCH_BUILD_EXTENSION_TRAINING=OFF -DEXECUTORCH_BUILD_KERNELS_QUANTIZED=OFF -DEXECUTORCH_BUILD_DEVTOOLS=OFF
  cmake --build "$OUT/work/$abi" --target install
done
