// What a phone's runtime has to do for the core: load a program, run it, forget it.
//
// One implementation a runtime (backend_executorch.cpp). Programs have no state: the same inputs
// give the same outputs, whatever ran before.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tensor.h"

namespace likeness {

// By the names the program's manifest entry has: a gradient's own, "d:X".
struct ProgramSignature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

struct BackendOptions {
  int threads = 0;           // 0: one a physical core
  std::string cache_folder;  // for what is compiled on the device; empty: the system's own
};

// Where a program is, and which of its functions is meant.
struct ProgramSource {
  std::string path;  // of the file or the folder
  std::string function;
  std::string shown;        // what messages call it
  std::string fingerprint;  // hexadecimal; of equal content, equal
};

class Program {
 public:
  virtual ~Program() = default;

  // Contiguous tensors of the signature's shapes; outputs are written in place. Not to be called
  // from two threads at once. Throws Error.
  virtual void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Throws Error{corrupt} where the program is not what the signature says, Error{io,
  // out_of_memory} otherwise. Any thread.
  virtual std::unique_ptr<Program> load(const ProgramSource& source,
                                        const ProgramSignature& signature) = 0;

  // How much memory a loaded program takes, for one whose files have `file_bytes`; an estimate.
  virtual std::size_t memory_estimate(std::size_t file_bytes) const = 0;
};

// `threads`: 0 for one a physical core. Threads are shared by every engine of the process: Error
// {busy} where another engine is open with another number.
std::unique_ptr<Backend> make_executorch_backend(int threads);

// Core ML, which has threads of its own.
std::unique_ptr<Backend> make_coreml_backend(const std::string& cache_folder);

// Physical cores this process may use; at least 1.
int physical_cores();

}  // namespace likeness
