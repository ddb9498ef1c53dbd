# Compiling Kotlin with the toolchain of fetch_kotlin.sh, to be sourced in the repository's root.

KOTLIN_HOME=$PWD/build/toolchains/kotlin
COROUTINES=$KOTLIN_HOME/lib/kotlinx-coroutines-core-jvm.jar

# compile_kotlin SOURCES CLASSES CLASSPATH OPTION...: the folder SOURCES into the folder CLASSES, unless neither the
# sources nor what is on the path has changed since. Warnings are errors.
compile_kotlin() {
  local sources=$1 classes=$2 path=$3 wanted
  shift 3
  wanted=$({ echo "$*" && find "$sources" ${path//:/ } -type f ! -name compiled | sort | xargs sha256sum; } | sha256sum)
  [ "$(cat "$classes/compiled" 2> /dev/null)" != "$wanted" ] || return 0
  rm -rf "$classes"
  JAVA_OPTS="-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1" "$KOTLIN_HOME/bin/kotlinc" \
    -Werror -progressive -jvm-target 17 -classpath "$path" -d "$classes" "$@" "$sources"
  echo "$wanted" > "$classes/compiled"
}
