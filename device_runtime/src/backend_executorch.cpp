// The ExecuTorch back end. The only file that sees ExecuTorch's headers.
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"
#include "error.h"

// The wheel ships this class but not its header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t new_thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace likeness {
namespace {

namespace et = executorch::runtime;
using executorch::aten::ScalarType;
using executorch::extension::Module;
using executorch::extension::TensorPtr;

// The runtime writes its log to the process's streams, which are not the core's to write to. The
// last complaint is kept instead, and becomes part of the message.
std::string& last_complaint() {
  static thread_local std::string text;
  return text;
}

void keep_log(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
              const char* message, size_t length) {
  if (level == kError || level == kFatal) last_complaint().assign(message, length);
}

void silence_runtime() {
  static std::once_flag once;
  std::call_once(once, [] {
    et::runtime_init();
    et::register_pal(et::PalImpl::create(keep_log, __FILE__));
  });
}

std::string shown_error(et::Error error) {
  std::string text = std::string(et::to_string(error)) + " (ExecuTorch error " +
                     std::to_string(static_cast<int>(error)) + ")";
  if (!last_complaint().empty()) text += ": " + last_complaint();
  return text;
}

[[noreturn]] void fail(const std::string& program, const std::string& action, et::Error error) {
  const bool memory = error == et::Error::MemoryAllocationFailed;
  throw Error(memory ? ErrorCode::out_of_memory : ErrorCode::corrupt,
              "cannot " + action + " the program " + program + ": " + shown_error(error) +
                  (memory ? "; close other apps and try again"
                          : "; the bundle is damaged or made for another version"));
}

ScalarType scalar_type(TensorType type) {
  return type == TensorType::i64 ? ScalarType::Long : ScalarType::Float;
}

// The programs' threads belong to the process: XNNPACK keeps the pool's address in every program it
// compiles, so the pool may be replaced only while no back end exists.
class ThreadPoolUse {
 public:
  explicit ThreadPoolUse(int threads) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto* pool = executorch::extension::threadpool::get_threadpool();
    const auto wanted = static_cast<uint32_t>(threads > 0 ? threads : physical_cores());
    if (pool != nullptr && pool->get_thread_count() != wanted) {
      if (users_ > 0 && threads > 0) {
        throw Error(ErrorCode::busy, "another engine is open with " +
                                         std::to_string(pool->get_thread_count()) +
                                         " threads; close it, or open this one with as many");
      }
      if (users_ == 0) pool->_unsafe_reset_threadpool(wanted);
    }
    ++users_;
  }
  ~ThreadPoolUse() {
    const std::lock_guard<std::mutex> lock(mutex_);
    --users_;
  }
  ThreadPoolUse(const ThreadPoolUse&) = delete;
  ThreadPoolUse& operator=(const ThreadPoolUse&) = delete;

 private:
  static inline std::mutex mutex_;
  static inline int users_ = 0;
};

class ExecutorchProgram final : public Program {
 public:
  ExecutorchProgram(const ProgramSource& source, const ProgramSignature& signature,
                    std::shared_ptr<ThreadPoolUse> threads)
      : threads_(std::move(threads)),
        shown_(source.shown),
        function_(source.function),
        module_(std::make_unique<Module>(source.path, Module::LoadMode::Mmap)) {
    last_complaint().clear();
    const et::Error loaded = module_->load(et::Program::Verification::InternalConsistency);
    if (loaded != et::Error::Ok) fail(shown_, "load", loaded);
    check_signature(signature);
    const et::Error prepared = module_->load_method(function_);
    if (prepared != et::Error::Ok) fail(shown_, "prepare", prepared);
    make_tensors(signature);
  }

  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) {
      throw Error(ErrorCode::internal, shown_ + " was called with another number of tensors");
    }
    std::vector<et::EValue> values;
    values.reserve(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      // Programs do not write to their inputs; the runtime's tensors just have no const.
      inputs_[i]->unsafeGetTensorImpl()->set_data(const_cast<void*>(inputs[i]));
      values.emplace_back(*inputs_[i]);
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      outputs_[i]->unsafeGetTensorImpl()->set_data(outputs[i]);
      if (planned_[i]) continue;
      const et::Error error = module_->set_output(function_, et::EValue(*outputs_[i]), i);
      if (error != et::Error::Ok) fail(shown_, "give outputs to", error);
    }
    last_complaint().clear();
    const auto result = module_->execute(function_, values);
    if (!result.ok()) fail(shown_, "run", result.error());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto& tensor = result.get()[i].toTensor();
      if (tensor.nbytes() != outputs_[i]->nbytes()) {
        throw Error(ErrorCode::corrupt, shown_ + " gave an output of another size");
      }
      if (tensor.const_data_ptr() != outputs[i]) {
        std::memcpy(outputs[i], tensor.const_data_ptr(), tensor.nbytes());
      }
    }
  }

 private:
  void check_signature(const ProgramSignature& signature) {
    const auto result = module_->method_meta(function_);
    if (!result.ok()) fail(shown_, "find \"" + function_ + "\" in", result.error());
    const et::MethodMeta& meta = result.get();
    if (meta.num_inputs() != signature.inputs.size() ||
        meta.num_outputs() != signature.outputs.size()) {
      mismatch("it has " + std::to_string(meta.num_inputs()) + " inputs and " +
               std::to_string(meta.num_outputs()) + " outputs, the manifest says " +
               std::to_string(signature.inputs.size()) + " and " +
               std::to_string(signature.outputs.size()));
    }
    for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
      check_tensor("input", i, meta.input_tensor_meta(i), signature.inputs[i]);
    }
    for (std::size_t i = 0; i < signature.outputs.size(); ++i) {
      const auto info = meta.output_tensor_meta(i);
      check_tensor("output", i, info, signature.outputs[i]);
      planned_.push_back(info->is_memory_planned());
    }
  }

  void check_tensor(const char* kind, std::size_t index, const et::Result<et::TensorInfo>& info,
                    const TensorSpec& spec) const {
    const std::string where =
        std::string(kind) + " " + std::to_string(index) + " (" + spec.name + ")";
    if (!info.ok()) mismatch(where + " is not a tensor");
    if (info->scalar_type() != scalar_type(spec.type)) mismatch(where + " has another type");
    const auto sizes = info->sizes();
    bool equal = sizes.size() == spec.shape.size();
    for (std::size_t d = 0; equal && d < sizes.size(); ++d) equal = sizes[d] == spec.shape[d];
    if (!equal) mismatch(where + " has another shape");
  }

  [[noreturn]] void mismatch(const std::string& what) const {
    throw Error(ErrorCode::corrupt, "the program " + shown_ + " does not match the manifest: " +
                                        what + "; export the bundle again");
  }

  void make_tensors(const ProgramSignature& signature) {
    const auto make = [](const TensorSpec& spec) {
      std::vector<executorch::aten::SizesType> sizes(spec.shape.begin(), spec.shape.end());
      return executorch::extension::from_blob(nullptr, sizes, scalar_type(spec.type));
    };
    for (const TensorSpec& spec : signature.inputs) inputs_.push_back(make(spec));
    for (const TensorSpec& spec : signature.outputs) outputs_.push_back(make(spec));
  }

  std::shared_ptr<ThreadPoolUse> threads_;  // outlives the module, which points into the pool
  std::string shown_;
  std::string function_;
  std::unique_ptr<Module> module_;
  std::vector<TensorPtr> inputs_;
  std::vector<TensorPtr> outputs_;
  std::vector<bool> planned_;  // outputs the runtime keeps in its own memory: copied
};

class ExecutorchBackend final : public Backend {
 public:
  explicit ExecutorchBackend(int threads) : threads_(std::make_shared<ThreadPoolUse>(threads)) {}

  std::unique_ptr<Program> load(const ProgramSource& source,
                                const ProgramSignature& signature) override {
    return std::make_unique<ExecutorchProgram>(source, signature, threads_);
  }

  std::size_t memory_estimate(std::size_t file_bytes) const override {
    return file_bytes * 2;  // the mapped file, and the weights as XNNPACK packs them
  }

 private:
  std::shared_ptr<ThreadPoolUse> threads_;
};

}  // namespace

std::unique_ptr<Backend> make_executorch_backend(int threads) {
  silence_runtime();
  return std::make_unique<ExecutorchBackend>(threads);
}

}  // namespace likeness
