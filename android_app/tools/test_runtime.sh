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

OUT=$PWD/build/android_runtime
TESTS=android_app/runtime/src/test/kotlin
LIB=$KOTLIN_HOME/lib
JUNIT=$LIB/kotlin-test.jar:$LIB/kotlin-test-junit.jar:$LIB/junit4.jar:$LIB/hamcrest.jar

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
  mapfile -t classes < <(cd "$TESTS" && find . -name '*Test.kt' | sort | sed -e 's|^\./||' -e 's|/|.|g' -e 's|\.kt$||')
fi
# File names beyond ASCII need a UTF-8 locale.
log=$OUT/test.log
status=0
LC_ALL=C.UTF-8 java -Xcheck:jni -XX:+UseSerialGC -Xmx1g -Djava.library.path="$OUT/jni" -Dlikeness.repository="$PWD" \
  -cp "$OUT/classes:$OUT/test_classes:$LIB/kotlin-stdlib.jar:$COROUTINES:$JUNIT" \
  org.junit.runner.JUnitCore "${classes[@]}" > "$log" 2>&1 || status=$?

# JUnit's last words: "OK (N tests)", or "Tests run: N,  Failures: M".
failed=$(sed -n 's/^Tests run: [0-9]*,  Failures: \([0-9]*\)$/\1/p' "$log")
run=$(sed -n -e 's/^OK (\([0-9]*\) tests\{0,1\})$/\1/p' -e 's/^Tests run: \([0-9]*\),.*/\1/p' "$log")
if [ "$status" != 0 ] || [ -z "$run" ]; then cat "$log"; fi
if grep -A 12 -E '^(WARNING|FATAL ERROR) in native method|^WARNING: JNI' "$log"; then
  echo "error: Java found a wrong use of JNI, see above" >&2
  status=1
fi
[ "$status" = 0 ] || [ -n "$run" ] || echo "error: the tests came to no end" >&2
echo "$((${run:-0} - ${failed:-0})) passed, ${failed:-0} failed"
[ "$status" = 0 ] && [ "${run:-0}" -gt 0 ]
