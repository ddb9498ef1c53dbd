# Running compiled tests with JUnit on this machine's JVM, to be sourced after compile_kotlin.sh.

JUNIT=$KOTLIN_HOME/lib/kotlin-test.jar:$KOTLIN_HOME/lib/kotlin-test-junit.jar
JUNIT=$JUNIT:$KOTLIN_HOME/lib/junit4.jar:$KOTLIN_HOME/lib/hamcrest.jar

# run_junit LOG CLASSPATH JAVA_OPTION... -- JUNIT_OPTION... CLASS...: what the tests print goes into LOG, and is shown
# where one failed. Says how many passed; fails where one failed, or none ran.
run_junit() {
  local log=$1 path=$2 status=0 failed run
  local options=()
  shift 2
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  # File names beyond ASCII need a UTF-8 locale.
  LC_ALL=C.UTF-8 java -XX:+UseSerialGC -Xmx1g -Dlikeness.repository="$PWD" "${options[@]}" \
    -cp "$path:$KOTLIN_HOME/lib/kotlin-stdlib.jar:$COROUTINES:$JUNIT" \
    org.junit.runner.JUnitCore "$@" > "$log" 2>&1 || status=$?
  # JUnit's last words: "OK (N tests)", or "Tests run: N,  Failures: M".
  failed=$(sed -n 's/^Tests run: [0-9]*,  Failures: \([0-9]*\)$/\1/p' "$log")
  run=$(sed -n -e 's/^OK (\([0-9]*\) tests\{0,1\})$/\1/p' -e 's/^Tests run: \([0-9]*\),.*/\1/p' "$log")
  if [ "$status" != 0 ] || [ -z "$run" ]; then cat "$log"; fi
  [ "$status" = 0 ] || [ -n "$run" ] || echo "error: the tests came to no end" >&2
  echo "$((${run:-0} - ${failed:-0})) passed, ${failed:-0} failed"
  [ "$status" = 0 ] && [ "${run:-0}" -gt 0 ]
}
