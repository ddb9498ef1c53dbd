#!/usr/bin/env bash
# Tests the runtime library on this machine's JVM, over the real core and real bundles:
#
#   android_app/tools/test_runtime.sh [CLASS...]     SessionTest, say; all of them when none is named
#
# Fetches the toolchain, compiles and exports bundles where that is not done yet (minutes the first time). Java checks
# every call of JNI (-Xcheck:jni) and what it finds fails the run. Exit code 1 where anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/compile_kotlin.sh
source android_app/tools/run_junit.sh

OUT=$PWD/build/android_runtime
TESTS=android_app/runtime/src/test/kotlin

android_app/tools/compile_runtime.sh
compile_kotlin "$TESTS" "$OUT/test_classes" "$OUT/classes:$COROUTINES:$JUNIT" \
  -module-name runtime_test -Xfriend-paths="$OUT/classes"
.venv/bin/python -m tests.bundles tiny default > "$OUT/bundles.log" 2>&1 || {
  cat "$OUT/bundles.log"
  exit 1
}

if [ $# -gt 0 ]; then
  classes=("${@/#/app.likeness.runtime.}")
else
  mapfile -t classes < <(cd "$TESTS" && find . -name '*Test.kt' | sort |
    sed -e 's|^\./||' -e 's|/|.|g' -e 's|\.kt$||')
fi
status=0
run_junit "$OUT/test.log" "$OUT/classes:$OUT/test_classes" \
  -Xcheck:jni -Djava.library.path="$OUT/jni" -- "${classes[@]}" || status=1
if grep -A 12 -E '^(WARNING|FATAL ERROR) in native method|^WARNING: JNI' "$OUT/test.log"; then
  echo "error: Java found a wrong use of JNI, see above" >&2
  status=1
fi
exit $status
