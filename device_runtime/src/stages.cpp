#include "stages.h"

#include <unordered_set>
#include <utility>

#include "error.h"

namespace likeness {
namespace {

constexpr char kGradient[] = "d:";

bool is_gradient(const std::string& name) { return name.rfind(kGradient, 0) == 0; }

// Tensors by name, while a method runs: some are the caller's, the others live here.
class Environment {
 public:
  explicit Environment(const Manifest& manifest) : manifest_(manifest) {}

  void bind(const std::string& name, const void* data) {
    // Inputs are never written; outputs are bound from void*.
    tensors_[name].data = const_cast<void*>(data);
  }

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }

  const void* input(const std::string& name) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second.data;
    if (!is_gradient(name)) {
      throw Error(ErrorCode::corrupt, "manifest.json: a stage reads the tensor " + name +
                                          ", which no stage before it makes; export the bundle "
                                          "again");
    }
    return make(name).data;  // nothing depends on it: a gradient of zero
  }

  void* output(const std::string& name) {
    return has(name) ? tensors_[name].data : make(name).data;
  }

  void erase(const std::string& name) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end() && !found->second.storage.empty()) tensors_.erase(found);
  }

  std::vector<const void*> inputs(const ProgramSpec& program) {
    std::vector<const void*> data;
    for (const std::string& name : program.inputs) data.push_back(input(name));
    return data;
  }

 private:
  struct Entry {
    void* data = nullptr;
    std::vector<std::uint64_t> storage;  // aligned for every type
  };

  Entry& make(const std::string& name) {
    Entry& entry = tensors_[name];
    entry.storage.assign(manifest_.tensor(name).bytes() / 8 + 1, 0);
    entry.data = entry.storage.data();
    return entry;
  }

  const Manifest& manifest_;
  std::unordered_map<std::string, Entry> tensors_;
};

// Names of the tensors that enter and leave a staged method, in the order of the methods table.
//
// One stage lists them in that order. Of several stages each lists its own part, so the names carry
// the role: "x_t.train" is x_t, "d:K0.train" is the gradient of K_1, and so on.
class BoundaryNames {
 public:
  BoundaryNames(const Method& method, std::vector<std::string> roles) : method_(method) {
    for (const std::string& role : roles) names_.push_back(find(role));
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  static std::string role_of(const std::string& name) { return name.substr(0, name.find('.')); }

  std::string find(const std::string& role) const {
    for (const Stage& stage : method_.stages) {
      for (const auto* program : {&stage.forward, &stage.backward}) {
        if (!*program) continue;
        for (const auto* list : {&(*program)->inputs, &(*program)->outputs}) {
          for (const std::string& name : *list) {
            if (role_of(name) == role) return name;
          }
        }
      }
    }
    throw Error(ErrorCode::corrupt, "manifest.json: no stage of " + method_.name +
                                        " has the tensor " + role + "; export the bundle again");
  }

  const Method& method_;
  std::vector<std::string> names_;
};

void append_keys_values(const Manifest& manifest, const std::string& prefix,
                        std::vector<std::string>& roles) {
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    roles.push_back(prefix + "K" + std::to_string(i));
    roles.push_back(prefix + "V" + std::to_string(i));
  }
}

template <typename Data>
void bind_all(Environment& tensors, const Method& method, const std::vector<std::string>& roles,
              const std::vector<Data>& data) {
  const BoundaryNames boundary(method, roles);
  for (std::size_t i = 0; i < data.size(); ++i) tensors.bind(boundary.names().at(i), data[i]);
}

// Runs the programs of a method in the order they are given, freeing every tensor after its last
// use and summing the gradients of a tensor that several stages read.
class StageRunner {
 public:
  StageRunner(ProgramStore& store, const Manifest& manifest, const StagedCall& call)
      : tensors(manifest), store_(store), manifest_(manifest), call_(call) {}

  Environment tensors;

  void plan(const ProgramSpec& program) {
    order_.push_back(&program);
    for (const std::string& name : program.inputs) ++uses_[name];
  }

  void run() {
    for (const ProgramSpec* program : order_) {
      if (call_.between_stages) call_.between_stages();
      run(*program);
    }
  }

 private:
  void run(const ProgramSpec& program) {
    const std::vector<const void*> inputs = tensors.inputs(program);
    std::vector<void*> outputs;
    std::vector<std::pair<float*, std::vector<float>>> sums;
    sums.reserve(program.outputs.size());  // outputs point into its elements
    for (const std::string& name : program.outputs) {
      void* const data = tensors.output(name);
      if (written_.insert(name).second) {
        outputs.push_back(data);
      } else {
        sums.emplace_back(static_cast<float*>(data),
                          std::vector<float>(manifest_.tensor(name).count()));
        outputs.push_back(sums.back().second.data());
      }
    }
    store_.run(program, inputs, outputs);
    for (auto& [sum, part] : sums) {
      for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
    }
    for (const std::string& name : program.inputs) {
      if (--uses_[name] == 0) tensors.erase(name);
    }
  }

  ProgramStore& store_;
  const Manifest& manifest_;
  const StagedCall& call_;
  std::vector<const ProgramSpec*> order_;
  std::unordered_map<std::string, int> uses_;  // reads that remain, by tensor
  std::unordered_set<std::string> written_;
};

}  // namespace

void run_denoise(ProgramStore& store, const Manifest& manifest, const StagedCall& call) {
  const Method& method = manifest.method("denoise");
  if (method.stages.size() == 1) return store.run(method.program(), call.inputs, call.outputs);
  StageRunner runner(store, manifest, call);
  std::vector<std::string> roles = {"x_t", "t"};
  append_keys_values(manifest, "", roles);
  bind_all(runner.tensors, method, roles, call.inputs);
  // What the last stage gives is the model's output, whatever its name.
  runner.tensors.bind(method.stages.back().forward->outputs.at(0), call.outputs.at(0));
  for (const Stage& stage : method.stages) runner.plan(*stage.forward);
  runner.run();
}

void run_train_step(ProgramStore& store, const Manifest& manifest, const StagedCall& call) {
  const Method& method = manifest.method("train_step");
  if (method.stages.size() == 1) return store.run(method.program(), call.inputs, call.outputs);
  StageRunner runner(store, manifest, call);
  std::vector<std::string> inputs = {"x_t", "t"};
  append_keys_values(manifest, "", inputs);
  inputs.insert(inputs.end(), {"target", "weight"});
  bind_all(runner.tensors, method, inputs, call.inputs);
  std::vector<std::string> outputs = {"loss"};
  append_keys_values(manifest, "d:", outputs);
  bind_all(runner.tensors, method, outputs, call.outputs);
  for (const Stage& stage : method.stages) {
    if (stage.forward) runner.plan(*stage.forward);
  }
  for (auto stage = method.stages.rbegin(); stage != method.stages.rend(); ++stage) {
    if (stage->backward) runner.plan(*stage->backward);
  }
  runner.run();
}

std::size_t activation_bytes(const Manifest& manifest, const Method& method) {
  if (method.stages.size() == 1) return 0;
  // Forward outputs live until their backward; gradients come and go.
  std::size_t sum = 0;
  for (const Stage& stage : method.stages) {
    if (!stage.forward) continue;
    for (const std::string& name : stage.forward->outputs) sum += manifest.tensor(name).bytes();
  }
  return sum;
}

}  // namespace likeness
