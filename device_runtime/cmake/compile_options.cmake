# Options every target shares, as the interface target likeness_options.

add_library(likeness_options INTERFACE)
# A session must end in the same bytes on every platform: never let the compiler fuse a*b+c into
# one rounding (arm64 does by default), and never reorder sums (no -ffast-math).
target_compile_options(likeness_options INTERFACE
  -Wall -Wextra -Werror -ffp-contract=off -fno-fast-math)

if(LIKENESS_SANITIZE OR LIKENESS_FUZZ OR LIKENESS_FUZZ_STANDALONE)
  set(_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(likeness_options INTERFACE ${_sanitizers} -g -DLIKENESS_SANITIZED)
  target_link_options(likeness_options INTERFACE ${_sanitizers})
endif()

if(LIKENESS_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR
      "LIKENESS_FUZZ needs clang with libFuzzer (on Debian: clang and libclang-rt-<version>-dev); "
      "this compiler is ${CMAKE_CXX_COMPILER_ID}. Configure with -DCMAKE_CXX_COMPILER=clang++, or "
      "use -DLIKENESS_FUZZ_STANDALONE=ON, which works with any compiler.")
  endif()
  target_compile_options(likeness_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# likeness_export_only(TARGET PREFIX): only functions whose names begin with PREFIX leave TARGET.
function(likeness_export_only target prefix)
  if(APPLE)
    target_link_options(${target} PRIVATE "LINKER:-exported_symbol,_${prefix}*")
  else()
    set(_map "${CMAKE_CURRENT_BINARY_DIR}/${target}.exports")
    file(WRITE "${_map}.new" "{ global: ${prefix}*; local: *; };\n")
    configure_file("${_map}.new" "${_map}" COPYONLY)
    target_link_options(${target} PRIVATE "LINKER:--version-script=${_map}")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${_map}")
  endif()
endfunction()
