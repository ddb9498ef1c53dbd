# Debian packages without root, to be sourced: downloaded with apt-get and unpacked beside the system, not into it.
#
# The suites in /etc/apt decide the versions, and apt checks their signatures. An exact version would not be
# there any more after the next security fix.

# need COMMAND PACKAGE: stop, saying what to install, where COMMAND is missing.
need() {
  command -v "$1" > /dev/null || {
    echo "error: $1 is missing: install it (on Debian: apt-get install $2)" >&2
    exit 1
  }
}

# debian_update FOLDER ARCHITECTURE...: fresh package lists for these architectures, kept in FOLDER. Where DEBIAN_SUITE
# is set they are of that suite, from the mirror that this system uses.
debian_update() {
  local folder mirror
  folder=$(realpath -m "$1")
  need apt-get apt
  need dpkg-deb dpkg
  mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/archives"
  : > "$folder/status"
  APT_ARCHIVES=$folder/archives
  APT_OPTIONS=(-qq -o "Dir::State=$folder/state" -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache"
    -o APT::Sandbox::User=root -o "APT::Architecture=$2")
  local architecture
  for architecture in "${@:2}"; do APT_OPTIONS+=(-o "APT::Architectures::=$architecture"); done
  if [ -n "${DEBIAN_SUITE:-}" ]; then
    mirror=$(apt-get --print-uris update | sed -n "s|^'\(.*/debian\)/dists/.*|\1|p" | head -n 1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $DEBIAN_SUITE main" \
      > "$folder/sources.list"
    APT_OPTIONS+=(-o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null)
  fi
  apt-get "${APT_OPTIONS[@]}" update
}

# debian_unpack FOLDER ARCHITECTURE PACKAGE...: these packages alone, not what they depend on, under FOLDER.
debian_unpack() {
  local folder=$1 architecture=$2 package
  shift 2
  mkdir -p "$folder"
  (cd "$APT_ARCHIVES" && apt-get "${APT_OPTIONS[@]}" download "${@/%/:$architecture}")
  for package in "$@"; do
    # One file a package: the archive is emptied behind each.
    dpkg-deb -x "$APT_ARCHIVES/${package}"_*.deb "$folder"
    rm "$APT_ARCHIVES/${package}"_*.deb
  done
}
