#include "program_store.h"

#include <algorithm>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace likeness {
namespace {

template <typename Visit>
void for_each_program(const Method& method, Visit visit) {
  for (const Stage& stage : method.stages) {
    if (stage.forward) visit(*stage.forward);
    if (stage.backward) visit(*stage.backward);
  }
}

std::pair<std::string, std::string> key_of(const ProgramSpec& spec) {
  return {spec.path, spec.function};
}

}  // namespace

ProgramStore::ProgramStore(std::unique_ptr<Backend> backend, const Manifest& manifest,
                           std::string folder, std::size_t budget_bytes)
    : backend_(std::move(backend)),
      manifest_(manifest),
      folder_(std::move(folder)),
      budget_bytes_(budget_bytes) {}

void ProgramStore::run(const ProgramSpec& spec, const std::vector<const void*>& inputs,
                       const std::vector<void*>& outputs) {
  std::unique_ptr<Program> program = take(spec);
  program->run(inputs, outputs);  // one that failed is not kept
  give_back(spec, std::move(program));
}

std::unique_ptr<Program> ProgramStore::take(const ProgramSpec& spec) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = idle_.find(key_of(spec));
    if (found != idle_.end()) {
      std::unique_ptr<Program> program = std::move(found->second);
      idle_.erase(found);
      idle_bytes_ -= memory_estimate(spec);
      return program;
    }
  }
  const ProgramSignature signature = {specs_of(spec.inputs), specs_of(spec.outputs)};
  const ProgramSource source = {folder_ + "/" + spec.path, spec.function, spec.path,
                                manifest_.fingerprint(spec.path)};
  return backend_->load(source, signature);
}

std::vector<TensorSpec> ProgramStore::specs_of(const std::vector<std::string>& names) const {
  std::vector<TensorSpec> specs;
  for (const std::string& name : names) {
    specs.push_back(manifest_.tensor(name));
    specs.back().name = name;
  }
  return specs;
}

void ProgramStore::give_back(const ProgramSpec& spec, std::unique_ptr<Program> program) {
  const std::size_t bytes = memory_estimate(spec);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // First come, first kept: the stages run in a cycle, in which dropping the least recently used
    // would reload every one of them.
    const bool fits = budget_bytes_ == 0 || idle_bytes_ + bytes <= budget_bytes_;
    if (fits && idle_.count(key_of(spec)) == 0) {
      idle_.emplace(key_of(spec), std::move(program));
      idle_bytes_ += bytes;
      return;
    }
  }
  program.reset();
#ifdef __GLIBC__
  malloc_trim(0);  // what a stage took must be free before the next one is loaded
#endif
}

void ProgramStore::drop(const Method& method) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for_each_program(method, [&](const ProgramSpec& spec) {
    if (idle_.erase(key_of(spec)) > 0) idle_bytes_ -= memory_estimate(spec);
  });
}

void ProgramStore::drop_all() {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.clear();
  idle_bytes_ = 0;
}

std::size_t ProgramStore::memory_estimate(const ProgramSpec& spec) const {
  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : manifest_.program_files(spec.path)) bytes += entry.size;
  return backend_->memory_estimate(static_cast<std::size_t>(bytes));
}

std::size_t ProgramStore::memory_estimate(const Method& method) const {
  std::size_t sum = 0;
  for_each_program(method, [&](const ProgramSpec& spec) { sum += memory_estimate(spec); });
  return sum;
}

std::size_t ProgramStore::largest_program(const Method& method) const {
  std::size_t largest = 0;
  for_each_program(
      method, [&](const ProgramSpec& spec) { largest = std::max(largest, memory_estimate(spec)); });
  return largest;
}

}  // namespace likeness
