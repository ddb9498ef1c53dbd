#!/usr/bin/env bash
# Runs a command in the fetched Swift toolchain (ios_app/tools/fetch_swift.sh), in the repository's folder:
#
#   ios_app/tools/in_swift.sh [--root FOLDER] swift build --package-path ios_app
#
# It sees the toolchain's own Debian as /, this repository at its own path, /tmp, /dev and /proc; it gets no environment
# but HOME and TMPDIR (in build/ios_app), PATH and LANG. The mounts are in a namespace of the command's own: they end
# with it, also when it is killed. That takes root, or a kernel that gives users namespaces (Debian's does).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

root=$PWD/build/toolchains/swift/root
if [ "${1:-}" = --root ]; then
  root=$2
  shift 2
else
  mkdir -p build/toolchains
  exec 8> build/toolchains/swift.in_use
  flock --shared 8 # fetch_swift.sh does not replace it while the command runs
fi
[ -x "$root/usr/bin/swiftc" ] || {
  echo "error: there is no Swift toolchain in $root; ios_app/tools/fetch_swift.sh fetches it" >&2
  exit 1
}
if unshare --mount true 2> /dev/null; then
  namespace=(--mount)
elif unshare --user --map-root-user --mount true 2> /dev/null; then
  namespace=(--user --map-root-user --mount)
else
  echo "error: Swift's toolchain runs in a mount namespace of its own, which this system gives neither to $(id -un)" \
    "nor to users at all: run this as root (in a container: with the capability SYS_ADMIN)" >&2
  exit 1
fi
state=$PWD/build/ios_app
mkdir -p "$state/home" "$state/tmp"
# The core finds ExecuTorch in .venv, which may be a link to elsewhere.
folders=("$PWD" "$(realpath -m .venv)" /tmp)

# $0 is the root, then folders up to --, then the state's folder and the command.
# shellcheck disable=SC2016
exec unshare "${namespace[@]}" bash -euc '
  mount --rbind /proc "$0/proc"
  mount --rbind /dev "$0/dev"
  while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
      mkdir -p "$0$1"
      mount --bind "$1" "$0$1"
    fi
    shift
  done
  exec chroot "$0" env -i -C "$PWD" HOME="$2/home" TMPDIR="$2/tmp" \
    PATH=/usr/libexec/swift/bin:/usr/bin LANG=C.UTF-8 "${@:3}"
' "$root" "${folders[@]}" -- "$state" "$@"
