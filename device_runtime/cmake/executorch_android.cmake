# ExecuTorch for Android, as android_app/tools/build_executorch.sh installs it: LIKENESS_EXECUTORCH_ANDROID has a folder
# an ABI. Sets what find_package(executorch) sets for the desktop. Not run where it was written: no NDK was to be had.
set(LIKENESS_EXECUTORCH_ANDROID "" CACHE PATH "Folder of build_executorch.sh's output, a folder an ABI")
set(executorch_DIR "${LIKENESS_EXECUTORCH_ANDROID}/${ANDROID_ABI}/lib/cmake/ExecuTorch")
if(NOT EXISTS "${executorch_DIR}")
  message(FATAL_ERROR
    "${executorch_DIR} is missing: build ExecuTorch with android_app/tools/build_executorch.sh, and name its output "
    "with -DLIKENESS_EXECUTORCH_ANDROID=...")
endif()
find_package(executorch REQUIRED)
# The package lists every library that was built, the portable kernels beside the optimized ones. Both register the same
# operators, which stops the process when it loads.
set(EXECUTORCH_LIBRARIES executorch extension_module_static extension_tensor extension_data_loader extension_threadpool
  xnnpack_backend optimized_native_cpu_ops_lib)
# Its targets define it for those that link them; the back end compiles against the headers alone.
set(EXECUTORCH_COMPILE_DEFINITIONS C10_USING_CUSTOM_GENERATED_MACROS)
