// The programs of a bundle: loaded when they are needed, kept while there is room.
//
// Programs are stateless, so every session and picture of an engine shares one store. A program is
// leased to one user at a time; given back it stays loaded if the budget allows, and is destroyed
// otherwise. With a small budget this is staged execution: a stage is loaded, run and destroyed in
// turn, and whatever fits the budget stays resident.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "backend.h"
#include "manifest.h"

namespace likeness {

class ProgramStore {
 public:
  // `manifest` must outlive the store. `budget_bytes` bounds what is kept loaded while idle; 0
  // means no bound.
  ProgramStore(std::unique_ptr<Backend> backend, const Manifest& manifest, std::string folder,
               std::size_t budget_bytes);

  // Loads or takes the program, runs it, gives it back. Any thread.
  void run(const ProgramSpec& spec, const std::vector<const void*>& inputs,
           const std::vector<void*>& outputs);

  // Destroys the idle programs of a method (all of them without one).
  void drop(const Method& method);
  void drop_all();

  // Estimates for loading one program, and every program of a method.
  std::size_t memory_estimate(const ProgramSpec& spec) const;
  std::size_t memory_estimate(const Method& method) const;
  std::size_t largest_program(const Method& method) const;

  std::size_t budget_bytes() const { return budget_bytes_; }

 private:
  std::unique_ptr<Program> take(const ProgramSpec& spec);
  std::vector<TensorSpec> specs_of(const std::vector<std::string>& names) const;
  void give_back(const ProgramSpec& spec, std::unique_ptr<Program> program);

  std::unique_ptr<Backend> backend_;
  const Manifest& manifest_;
  std::string folder_;
  std::size_t budget_bytes_;

  std::mutex mutex_;
  // By path and function; guarded, as is the next.
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Program>> idle_;
  std::size_t idle_bytes_ = 0;
};

}  // namespace likeness
