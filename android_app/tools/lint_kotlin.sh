#!/usr/bin/env bash
# Checks the style of every Kotlin file of android_app (rules: android_app/.editorconfig). With --format it is repaired.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

android_app/tools/fetch_kotlin.sh
cd android_app
java -Xmx1g -XX:+UseSerialGC -jar ../build/toolchains/kotlin/bin/ktlint --relative "$@" '**/*.kt' '**/*.kts' '!build/**'
