#!/usr/bin/env bash
# Checks the style of every Swift file of ios_app (rules: ios_app/.swift-format). With --format it is repaired.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

ios_app/tools/fetch_swift.sh
task=(lint --strict)
if [ "${1:-}" = --format ]; then task=(format --in-place); fi
ios_app/tools/in_swift.sh swift format "${task[@]}" --recursive ios_app
