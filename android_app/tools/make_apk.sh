#!/usr/bin/env bash
# Makes out/android/likeness-debug.apk without Gradle and without Google's SDK, and checks it:
#
#   android_app/tools/make_apk.sh [BUNDLE]      the model's folder; the default model's when not given
#
# Real in it: manifest and resources, all Kotlin code as dex, the bundle as assets, alignment, signature (with a key made
# on the spot: such an APK installs, no later one updates it). out/android/badging.txt has what it says of itself.
#
# Not real in it: the native libraries. Those of build/arm64 are for Linux with glibc, since no NDK is to be had here.
# They have the names, processor and page size of those that belong there, and Android's loader refuses them: the
# app starts and cannot open its model. Gradle with the NDK builds those that load.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/compile_kotlin.sh

BUNDLE=${1:-build/test_bundles/default/bundle}
OUT=out/android
APK=$OUT/likeness-debug.apk
PARTS=$PWD/build/android_apk
APP=$PWD/build/android_app
ANDROID=$PWD/build/toolchains/android
PYTHON=.venv/bin/python

# Kotlin's library and the coroutines come along; what the stubs describe is on the phone.
make_dex() {
  mkdir -p "$PARTS/dex"
  jar --create --file "$PARTS/classes.jar" -C "$APP/classes" . -C "$APP/r" .
  jar --create --file "$PARTS/runtime.jar" -C build/android_runtime/classes .
  java -Xmx2g -XX:+UseSerialGC -cp "$ANDROID/d8.jar" com.android.tools.r8.D8 --debug --min-api 26 \
    --lib "$ANDROID/android.jar" --output "$PARTS/dex" \
    "$PARTS/classes.jar" "$PARTS/runtime.jar" "$KOTLIN_HOME/lib/kotlin-stdlib.jar" "$COROUTINES" \
    > "$PARTS/dex.log" 2>&1 || { cat "$PARTS/dex.log" && exit 1; }
}

collect_libraries() {
  local folder=$PARTS/lib/arm64-v8a executorch library
  executorch=build/toolchains/arm64/root/usr/local/lib/python3.11/dist-packages/executorch/lib
  mkdir -p "$folder"
  cp build/arm64/liblikeness.so build/arm64/jni/liblikeness_jni.so "$folder"
  for library in $(readelf -d build/arm64/liblikeness.so | sed -n 's/.*(NEEDED).*\[\(libexecutorch[^]]*\)\]/\1/p'); do
    cp "$executorch/$library" "$folder"
  done
}

sign() {
  local key=$PARTS/debug.keystore options=(-storepass android -keypass android -alias debug)
  keytool -genkeypair -keystore "$key" "${options[@]}" -keyalg RSA -keysize 2048 -validity 10000 \
    -dname 'CN=Likeness debug' > "$PARTS/key.log" 2>&1 || { cat "$PARTS/key.log" && exit 1; }
  java -jar "$ANDROID/apksigner.jar" sign --ks "$key" --ks-pass pass:android --ks-key-alias debug \
    --v4-signing-enabled false --in "$PARTS/unsigned.apk" --out "$APK"
  java -jar "$ANDROID/apksigner.jar" verify --verbose "$APK" > "$PARTS/verified.txt"
  grep -q '^Verified using v2 scheme.*: true$' "$PARTS/verified.txt"
}

android_app/tools/compile_app.sh
android_app/tools/build_arm64.sh
rm -rf "$PARTS"
mkdir -p "$PARTS" "$OUT"
[ $# -gt 0 ] || "$PYTHON" -m tests.bundles default > "$PARTS/bundles.log" 2>&1 || {
  cat "$PARTS/bundles.log"
  exit 1
}
[ -f "$BUNDLE/manifest.json" ] || {
  echo "error: $BUNDLE is no bundle (it has no manifest.json): make one with \`make export\`" >&2
  exit 1
}
make_dex
collect_libraries
"$PYTHON" android_app/tools/assemble_apk.py --linked "$APP/resources/linked.apk" --dex "$PARTS/dex" \
  --libraries "$PARTS/lib" --bundle "$BUNDLE" --output "$PARTS/unsigned.apk"
sign
"$PYTHON" android_app/tools/check_apk.py "$APK" --aapt2 "$ANDROID/aapt2" --report "$OUT/badging.txt"
echo "$APK: signed and checked; its native libraries are Linux's and do not load on Android (see make_apk.sh)"
