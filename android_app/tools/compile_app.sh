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

GRADLE=android_app/app/build.gradle.kts
CATALOG=android_app/gradle/libs.versions.toml

# value FILE NAME: of a line `NAME = value`, in quotes or not.
value() {
  local found
  found=$(sed -n "s/^ *$2 = \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$1")
  [ -n "$found" ] || {
    echo "error: $1 has no line '$2 = …'" >&2
    return 1
  }
  echo "$found"
}

# Where no resource changed R stays, and so does what was compiled over it.
link_resources() {
  local wanted application version_code version_name min_sdk target_sdk
  wanted=$(find "$APP/res" "$APP/AndroidManifest.xml" "$GRADLE" "$CATALOG" -type f | sort | xargs sha256sum | sha256sum)
  [ "$(cat "$OUT/r/linked" 2> /dev/null)" != "$wanted" ] || return 0
  rm -rf "$OUT/r" "$OUT/resources"
  mkdir -p "$OUT/r" "$OUT/resources"
  "$ANDROID/aapt2" compile --dir "$APP/res" -o "$OUT/resources/compiled.zip"
  # What Gradle puts into the manifest.
  application=$(value "$GRADLE" applicationId)
  version_code=$(value "$GRADLE" versionCode)
  version_name=$(value "$GRADLE" versionName)
  min_sdk=$(value "$CATALOG" minSdk)
  target_sdk=$(value "$CATALOG" targetSdk)
  sed "s/<manifest /&package=\"$application\" /" "$APP/AndroidManifest.xml" > "$OUT/resources/AndroidManifest.xml"
  # The table's own manifest is older than the table, and says 23.
  "$ANDROID/aapt2" link -I "$ANDROID/framework.apk" --manifest "$OUT/resources/AndroidManifest.xml" \
    --version-code "$version_code" --version-name "$version_name" \
    --min-sdk-version "$min_sdk" --target-sdk-version "$target_sdk" \
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
