#!/usr/bin/env bash
# Compiles the Swift package on Linux, tests it over the real core and real bundles, and checks the style of every Swift
# file:
#
#   ios_app/tools/test_ios.sh [FILTER...]     SessionTests, say, or AppTests; all tests when none is named
#
# SwiftUI and UIKit are not on Linux: what needs them is parsed and not compiled. Fetches the toolchain, compiles and
# exports where that is not done yet (minutes the first time). Exit code 1 where anything failed. Its last line says how
# many tests passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

OUT=$PWD/build/ios_app
CORE=$PWD/build/device_runtime
DEFAULT_BUNDLE=$PWD/build/test_bundles/default/bundle
APPLE='SwiftUI|UIKit|PhotosUI|Photos|BackgroundTasks|UniformTypeIdentifiers|ImageIO|CoreGraphics|os|Darwin'

# quietly LOG COMMAND...: what it prints is shown only where it fails.
quietly() {
  local log=$1
  shift
  "$@" > "$log" 2>&1 || {
    cat "$log"
    return 1
  }
}

swift_package() {
  ios_app/tools/in_swift.sh swift "$1" --package-path ios_app --scratch-path "$OUT/swift" --disable-sandbox \
    -Xswiftc -warnings-as-errors -Xlinker "-L$CORE" -Xlinker -rpath -Xlinker "$CORE" "${@:2}"
}

# Without the conditions that leave these files out on Linux, and without looking up what they import.
parse_apple_files() {
  local folder=$OUT/apple_files file files=()
  rm -rf "$folder"
  while read -r file; do
    mkdir -p "$folder/$(dirname "$file")"
    sed -E "s/^#if canImport\(($APPLE)\)/#if true/" "$file" > "$folder/$file"
    files+=("$folder/$file")
  done < <(grep -rlE --include='*.swift' "^#if canImport\(($APPLE)\)" ios_app/App ios_app/Sources)
  [ ${#files[@]} = 0 ] || ios_app/tools/in_swift.sh swiftc -frontend -parse -swift-version 6 "${files[@]}"
}

# run_tests LOG OPTION...: says how many passed; fails where one failed or was skipped, or none ran.
run_tests() {
  local log=$1 status=0 passed failed skipped
  shift
  # One after the other: what they time, and how soon they interrupt, is then theirs.
  swift_package test --skip-build --no-parallel "$@" > "$log" 2>&1 || status=$?
  # The lines of Swift Testing, then XCTest's; a suite and the whole run have lines of their own.
  passed=$(grep -cE "^✔ Test .* passed after|^Test Case '.*' passed" <(grep -v '^✔ Test run with' "$log")) || true
  failed=$(grep -cE "^✘ Test .* failed after|^Test Case '.*' failed" <(grep -v '^✘ Test run with' "$log")) || true
  skipped=$(grep -cE "^➜ |^Test Case '.*' skipped" "$log") || true
  if [ "$status" != 0 ]; then cat "$log"; fi
  if [ "$skipped" != 0 ]; then echo "error: $skipped tests were skipped, see $log" >&2; fi
  if [ "$status" != 0 ] && [ "$failed" = 0 ]; then echo "error: the tests came to no end" >&2; fi
  echo "$passed passed, $failed failed"
  [ "$status" = 0 ] && [ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$passed" -gt 0 ]
}

mkdir -p "$OUT/tmp"
find "$OUT/tmp" -mindepth 1 -maxdepth 1 -mmin +60 -exec rm -rf {} + # of runs that were killed
ios_app/tools/fetch_swift.sh
quietly "$OUT/core.log" make core
quietly "$OUT/bundles.log" .venv/bin/python -m tests.bundles tiny default
quietly "$OUT/reference.log" env PYTHONPATH="$PWD" \
  .venv/bin/python ios_app/Tests/python/make_reference.py "$DEFAULT_BUNDLE" "$OUT/reference"

ios_app/tools/lint_swift.sh
quietly "$OUT/parse.log" parse_apple_files
quietly "$OUT/build.log" swift_package build --build-tests
filters=()
for filter in "$@"; do filters+=(--filter "$filter"); done
run_tests "$OUT/test.log" "${filters[@]}"
