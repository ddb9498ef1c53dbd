#!/usr/bin/env bash
# The core for 64-bit ARM, the processor of phones: compiled here and run under emulation. Writes out/arm64/report.json.
#
#   android_app/tools/test_arm64.sh [STEPS]      STEPS of the personalization, 5 when not given
#
# 1. Cross-compiles the core into build/arm64.
# 2. Runs the core's tests, tests/test_core_*.py and tests/test_runtime_*.py without the slow ones, on it.
# 3. Personalizes on the default bundle on both processors and compares the results (tests/arm64/compare.py).
#
# How the tests reach the library: the whole of pytest runs under qemu, in an arm64 Python with arm64 packages. They
# hand pointers to numpy's memory to the library and start processes that load it; in a Python of the same processor all
# that works as it is written, and LIKENESS_BUILD_DIR is the one thing that differs (the sanitizers' run sets it too). A
# native pytest with the library behind a pipe would be faster, and would need a stand-in for each of those pointers.
# Emulation is exact: qemu rounds as IEEE 754 says, so a number that differs differs on a phone too.
#
# It is Linux with glibc: what is Android's own (bionic, the NDK's compiler) is not tested by this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

STEPS=${1:-5}
BUILD=$PWD/build/arm64
OUT=out/arm64
PYTHON=$PWD/.venv/bin/python
ARM_PYTHON=$PWD/build/toolchains/arm64/root/usr/bin/python3-arm64

mkdir -p "$OUT"
android_app/tools/build_arm64.sh
export PATH=$PWD/build/toolchains/arm64/bin:$PWD/.venv/bin:$PATH
make -s core
"$PYTHON" -m tests.bundles tiny default > "$OUT/bundles.log" 2>&1 || { cat "$OUT/bundles.log" && exit 1; }

# Minutes each under emulation, and they look at tables that were generated here, not there.
left_out=(test_every_code_point_has_the_reference_properties test_every_code_point_normalizes_like_the_reference)
tests=0
LIKENESS_BUILD_DIR=$BUILD LIKENESS_OUTCOMES=$OUT/outcomes.json "$ARM_PYTHON" -m pytest -p tests.arm64.outcomes \
  -p no:cacheprovider tests/test_core_*.py tests/test_runtime_*.py -m 'not slow' \
  "${left_out[@]/#/--deselect=tests/test_core_tokenizer.py::}" || tests=$?
# 1: tests failed, which the report says. Anything else is not a result.
[ "$tests" -le 1 ] || exit "$tests"

PHOTOS=$OUT/photos
"$PYTHON" -c "from pathlib import Path; from server_distill.demo import take_photos; take_photos(Path('$PHOTOS'))"
record=(-m tests.arm64.record --bundle build/test_bundles/default/bundle --photos "$PHOTOS" --steps "$STEPS")
LIKENESS_LIBRARY=$PWD/build/device_runtime/liblikeness.so "$PYTHON" "${record[@]}" --output "$OUT/x86_64"
LIKENESS_LIBRARY=$BUILD/liblikeness.so "$ARM_PYTHON" "${record[@]}" --output "$OUT/aarch64"
"$PYTHON" -m tests.arm64.compare --x86 "$OUT/x86_64" --arm "$OUT/aarch64" --outcomes "$OUT/outcomes.json" \
  --output "$OUT/report.json"
