# Finds what comes from Python packages: an interpreter (it generates the Unicode tables), the
# header-only nlohmann_json, and the prefix under which find_package(executorch) looks.
#
# LIKENESS_PYTHON, when not given, is the repository's own .venv or else python3 from PATH.
# LIKENESS_PYTHON_SITE, when not given, is that interpreter's site-packages.

if(NOT LIKENESS_PYTHON)
  set(_venv_python "${CMAKE_CURRENT_SOURCE_DIR}/../.venv/bin/python")
  if(EXISTS "${_venv_python}")
    # Not resolved through its symlink: the link is what tells Python that it runs in a .venv.
    get_filename_component(_venv_bin "${_venv_python}" DIRECTORY)
    get_filename_component(_venv_bin "${_venv_bin}" REALPATH)
    set(_found_python "${_venv_bin}/python")
  else()
    find_program(_found_python NAMES python3 python REQUIRED)
  endif()
  set(LIKENESS_PYTHON "${_found_python}" CACHE FILEPATH "" FORCE)
endif()

if(NOT LIKENESS_PYTHON_SITE)
  execute_process(
    COMMAND "${LIKENESS_PYTHON}" -c "import sysconfig; print(sysconfig.get_path('purelib'))"
    OUTPUT_VARIABLE _site
    RESULT_VARIABLE _site_result
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT _site_result EQUAL 0)
    message(FATAL_ERROR "${LIKENESS_PYTHON} does not run; name another with -DLIKENESS_PYTHON=...")
  endif()
  set(LIKENESS_PYTHON_SITE "${_site}" CACHE PATH "" FORCE)
endif()

find_path(LIKENESS_JSON_INCLUDE_DIR nlohmann/json.hpp
  HINTS "${LIKENESS_PYTHON_SITE}/nlohmann_json/include" NO_CMAKE_FIND_ROOT_PATH)
if(NOT LIKENESS_JSON_INCLUDE_DIR)
  message(FATAL_ERROR
    "nlohmann/json.hpp is missing: install the Python package nlohmann-json, or name its folder "
    "with -DLIKENESS_JSON_INCLUDE_DIR=...")
endif()

list(APPEND CMAKE_PREFIX_PATH "${LIKENESS_PYTHON_SITE}/executorch")
