#!/usr/bin/env bash
# Fetches Debian 13's Swift toolchain (swiftlang 6.0) into build/toolchains/swift; at once where it is there and up to
# date:
#
#   root/   a small Debian 13 with the compiler, SwiftPM, XCTest, Swift Testing and swift-format;
#           ios_app/tools/in_swift.sh runs commands in it
#
# Swift.org's own archives are not in any package registry; Debian's package is, and apt checks its signature. Packages
# are unpacked and not installed: their scripts do not run, and no root is needed. Needs Debian's apt-get.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source android_app/tools/fetch_debian.sh

TOOLS=$PWD/build/toolchains/swift
NEW=$TOOLS.new
SUITE=trixie
SWIFT=6.0
# The C++ library is what the core is linked with; dash is /bin/sh; git is what SwiftPM asks for a package's state.
PACKAGES=(swiftlang libc6-dev libstdc++-14-dev coreutils dash git)
# Debuggers, language servers, other platforms' standard libraries and documentation: 1.1 GB of 2.6.
UNWANTED=(libexec/swift/lib/{'liblldb*',libsourcekitdInProc.so,swift/embedded,swift_static}
  libexec/swift/bin/{'lldb*',clangd,sourcekit-lsp,docc} share/{doc,man,locale})

# unpack_all FOLDER: the packages and what they depend on.
unpack_all() {
  local archive exclude=("${UNWANTED[@]/#/--exclude=./usr/}")
  # Debian's folders are merged into usr. Its own package for that has a script.
  mkdir -p "$1"/usr/{bin,sbin,lib,lib64} "$1"/{dev,proc,tmp}
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$1"
  apt-get "${APT_OPTIONS[@]}" --no-install-recommends --download-only --yes install "${PACKAGES[@]}" \
    > "$NEW/apt/download.log" 2>&1 || {
    cat "$NEW/apt/download.log"
    exit 1
  }
  for archive in "$NEW"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$archive" |
      tar -xf - -C "$1" --keep-directory-symlink --no-same-owner "${exclude[@]}"
    rm "$archive"
  done
}

mkdir -p "$(dirname "$TOOLS")"
exec 9> "$TOOLS.lock"
flock 9 # two builds may ask for it at once
scripts=(ios_app/tools/fetch_swift.sh android_app/tools/fetch_debian.sh)
wanted=$(cat "${scripts[@]}" | sha256sum)
if [ "$(cat "$TOOLS/fetched" 2> /dev/null)" != "$wanted" ]; then
  rm -rf "$NEW"
  mkdir -p "$NEW"
  DEBIAN_SUITE=$SUITE debian_update "$NEW/apt" "$(dpkg --print-architecture)"
  unpack_all "$NEW/root"
  rm -r "$NEW/apt"
  version=$(ios_app/tools/in_swift.sh --root "$NEW/root" swiftc --version 2> /dev/null)
  [[ "$version" == *"Swift version $SWIFT"* ]] || {
    echo "error: Debian $SUITE's swiftlang is not Swift $SWIFT but: $version" >&2
    exit 1
  }
  echo "$wanted" > "$NEW/fetched"
  exec 8> "$TOOLS.in_use"
  flock 8 # when no command runs in the old one
  rm -rf "$TOOLS"
  mv "$NEW" "$TOOLS" # as a whole: never half a toolchain
fi
