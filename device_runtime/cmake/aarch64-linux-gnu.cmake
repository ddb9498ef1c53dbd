# Cross-compiles the core for 64-bit ARM Linux (glibc) with g++ for aarch64-linux-gnu, which must be in PATH:
#
#   cmake -S device_runtime -B build/arm64 -DCMAKE_TOOLCHAIN_FILE=device_runtime/cmake/aarch64-linux-gnu.cmake \
#     -DLIKENESS_PYTHON=<a python of this machine> -DLIKENESS_PYTHON_SITE=<site-packages of arm64 wheels>
#
# android_app/tools/test_arm64.sh does so. What comes out does not load on Android, whose C library is another.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Programs that run while building (the Unicode tables' generator) are this machine's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
