#!/bin/sh
# Fuzz every target: fuzz/run.sh libfuzzer|standalone [SECONDS a target] [BUILD_DIR]
#
# libfuzzer needs clang++ with its sanitizer runtime (on Debian: clang, libclang-rt-<version>-dev) and
# fails where that is missing; standalone runs the same targets with any compiler.
set -eu
mode=${1:?libfuzzer or standalone}
seconds=${2:-30}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${3:-$root/build/fuzz_$mode}
PATH="$root/.venv/bin:$PATH"

case $mode in
  libfuzzer)
    command -v clang++ >/dev/null || {
      echo "fuzz: clang++ is missing, and libFuzzer comes with it." >&2
      echo "fuzz: install it (Debian: clang libclang-rt-14-dev), or run: $0 standalone" >&2
      exit 1
    }
    set -- -DLIKENESS_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ ;;
  standalone) set -- -DLIKENESS_FUZZ_STANDALONE=ON ;;
  *) echo "fuzz: unknown mode $mode" >&2; exit 2 ;;
esac
cmake -S "$here/.." -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DLIKENESS_EXECUTORCH=OFF -DLIKENESS_TESTING=OFF "$@" >/dev/null
cmake --build "$build" -j2 --target fuzz/all
python3 "$here/make_corpus.py" "$build/seeds"

cd "$build"
for source in "$here"/fuzz_*.cpp; do
  name=$(basename "$source" .cpp)
  mkdir -p "corpus/$name" "seeds/$name"
  if [ "$mode" = libfuzzer ]; then
    "fuzz/$name" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 -print_final_stats=1 \
      "corpus/$name" "seeds/$name" 2>"$name.log" || { tail -40 "$name.log" >&2; exit 1; }
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$name.log") runs, no failure"
  else
    "fuzz/$name" "$seconds" "seeds/$name"
  fi
done
