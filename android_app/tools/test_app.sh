#!/usr/bin/env bash
# Compiles the whole app against Android's API stubs, its resources against Android 15's, and tests on this machine's
# JVM all that needs no phone:
#
#   android_app/tools/test_app.sh [--fast] [CLASS...]    training.TrainingWorkerTest, say; all when none is named
#
# --fast leaves out what runs the real core on the tests' smallest bundle. Fetches the toolchains, compiles and exports
# where that is not done yet (minutes the first time). Exit code 1 where anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/compile_kotlin.sh
source android_app/tools/run_junit.sh

APP=android_app/app/src
OUT=$PWD/build/android_app
RUNTIME=$PWD/build/android_runtime

fast=()
if [ "${1:-}" = --fast ]; then
  fast=(--filter=org.junit.experimental.categories.ExcludeCategories=app.likeness.Slow)
  shift
fi
android_app/tools/compile_app.sh
# What follows knows no Android: where a view model needs it, its test fails.
compile_kotlin "$APP/fakes/kotlin" "$OUT/fake_classes" "$OUT/classes:$RUNTIME/classes:$COROUTINES" -module-name fakes
compile_kotlin "$APP/test/kotlin" "$OUT/test_classes" \
  "$OUT/fake_classes:$OUT/classes:$RUNTIME/classes:$COROUTINES:$JUNIT" \
  -module-name app_test -Xfriend-paths="$OUT/classes"
.venv/bin/python -m tests.bundles tiny > "$OUT/bundles.log" 2>&1 || { cat "$OUT/bundles.log" && exit 1; }

if [ $# -gt 0 ]; then
  classes=("${@/#/app.likeness.}")
else
  mapfile -t classes < <(cd "$APP/test/kotlin" && grep -rl '@Test' . | sort |
    sed -e 's|^\./||' -e 's|/|.|g' -e 's|\.kt$||')
fi
run_junit "$OUT/test.log" "$OUT/test_classes:$OUT/fake_classes:$OUT/classes:$RUNTIME/classes" \
  -Djava.library.path="$RUNTIME/jni" -- "${fast[@]}" "${classes[@]}"
