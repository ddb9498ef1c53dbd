#!/usr/bin/env bash
# Compiles the app against Android's API stubs and its resources against Android 15's, where something has changed:
#
#   build/android_app/resources/linked.apk   manifest and resources
#   build/android_app/r                      the class R, in which Kotlin finds the resources' numbers
#   build/android_app/classes                Kotlin's part; the runtime library's is build/android_runtime/classes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/compile_kotlin.sh

APP=android_app/app/src/main
OUT=$PWD/build/android_app
RUNTIME=$PWD/build/android_runtime
ANDROID=$PWD/build/toolchains/android

# Where no resource changed R stays, and so does what was compiled over it.
link_resources() {
  local wanted
  wanted=$(find "$APP/res" "$APP/AndroidManifest.xml" -type f | sort | xargs sha256sum | sha256sum)
  [ "$(cat "$OUT/r/linked" 2> /dev/null)" != "$wanted" ] || return 0
  rm -rf "$OUT/r" "$OUT/resources"
  mkdir -p "$OUT/r" "$OUT/resources"
  "$ANDROID/aapt2" compile --dir "$APP/res" -o "$OUT/resources/compiled.zip"
  # The table's own manifest is older than the table, and says 23.
  "$ANDROID/aapt2" link -I "$ANDROID/framework.apk" --manifest "$APP/AndroidManifest.xml" \
    --compile-sdk-version-code 35 --compile-sdk-version-name 15 \
    --java "$OUT/resources" -o "$OUT/resources/linked.apk" "$OUT/resources/compiled.zip"
  javac -d "$OUT/r" "$OUT/resources/app/likeness/R.java"
  echo "$wanted" > "$OUT/r/linked"
}

android_app/tools/fetch_android.sh
android_app/tools/compile_runtime.sh
mkdir -p "$OUT"
link_resources
compile_kotlin "$APP/kotlin" "$OUT/classes" "$ANDROID/android.jar:$OUT/r:$RUNTIME/classes:$COROUTINES" -module-name app
