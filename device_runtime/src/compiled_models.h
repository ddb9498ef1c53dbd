// Compiled Core ML models, kept from one run of the app to the next: compiling takes seconds.
//
// One folder a model, named by the hash of the package it was compiled from. Whatever is in the
// cache may be removed at any time, as systems do where storage is short: it is compiled again.
#pragma once

#include <string>

namespace likeness {

// Where the model compiled from a package with this fingerprint is, or would be.
std::string compiled_model_path(const std::string& cache_folder, const std::string& fingerprint);

// Moves the compiled model at `compiled` to `path`, whose folder is made where it is missing. Where
// another process was faster, its model stays and this one is removed. The model at `path` is whole
// at every instant. Error{io, disk_full}.
void keep_compiled_model(const std::string& compiled, const std::string& path);

}  // namespace likeness
