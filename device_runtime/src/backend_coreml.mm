// The Core ML back end. Only this file and backend_coreml_arrays.mm see Apple's headers; what needs
// none of them is in coreml_features, multi_array and compiled_models, which are tested anywhere.
#import <CoreML/CoreML.h>
#import <Foundation/Foundation.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "backend.h"
#include "backend_coreml_arrays.h"
#include "compiled_models.h"
#include "error.h"

#if !__has_feature(objc_arc)
#error "backend_coreml.mm is compiled with -fobjc-arc"
#endif

namespace likeness {
namespace {

NSURL* folder_url(const std::string& path) {
  return [NSURL fileURLWithPath:to_ns(path) isDirectory:YES];
}

[[noreturn]] void fail(const std::string& program, const std::string& action, NSError* error) {
  const bool full =
      [error.domain isEqualToString:NSCocoaErrorDomain] && error.code == NSFileWriteOutOfSpaceError;
  NSString* description = error.localizedDescription;
  throw Error(full ? ErrorCode::disk_full : ErrorCode::corrupt,
              "cannot " + action + " the program " + program + ": " +
                  (description == nil ? "Core ML does not say why" : description.UTF8String) +
                  (full ? "; free some storage and try again"
                        : "; the bundle is damaged or made for another version of the system"));
}

class CoreMLProgram final : public Program {
 public:
  CoreMLProgram(MLModel* model, std::string shown, const ProgramSignature& signature)
      : model_(model), shown_(std::move(shown)), signature_(signature) {
    MLModelDescription* description = model.modelDescription;
    input_types_ = match_features(signature.inputs, describe(description.inputDescriptionsByName),
                                  "input", shown_);
    match_features(signature.outputs, describe(description.outputDescriptionsByName), "output",
                   shown_);
  }

  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    if (inputs.size() != signature_.inputs.size() || outputs.size() != signature_.outputs.size()) {
      throw Error(ErrorCode::internal, shown_ + " was called with another number of tensors");
    }
    std::vector<std::vector<std::uint8_t>> converted;  // inputs of another type than the core's
    @autoreleasepool {
      NSError* error = nil;
      id<MLFeatureProvider> given = provide(inputs, converted, &error);
      id<MLFeatureProvider> results = nil;
      if (given != nil) results = [model_ predictionFromFeatures:given error:&error];
      if (results == nil) fail(shown_, "run", error);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const TensorSpec& spec = signature_.outputs[i];
        copy_out([results featureValueForName:to_ns(feature_name(spec.name))].multiArrayValue, spec,
                 outputs[i]);
      }
    }
  }

 private:
  id<MLFeatureProvider> provide(const std::vector<const void*>& inputs,
                                std::vector<std::vector<std::uint8_t>>& converted,
                                NSError** error) const {
    NSMutableDictionary<NSString*, id>* features = [NSMutableDictionary dictionary];
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const TensorSpec& spec = signature_.inputs[i];
      const void* data = inputs[i];
      if (input_types_[i] != ElementType::f32) {
        converted.push_back(to_multi_array(data, spec, input_types_[i]));
        data = converted.back().data();
      }
      MLMultiArray* array = wrap_array(data, spec, input_types_[i], error);
      if (array == nil) return nil;
      features[to_ns(feature_name(spec.name))] = [MLFeatureValue featureValueWithMultiArray:array];
    }
    return [[MLDictionaryFeatureProvider alloc] initWithDictionary:features error:error];
  }

  MLModel* model_;
  std::string shown_;
  ProgramSignature signature_;
  std::vector<ElementType> input_types_;
};

class CoreMLBackend final : public Backend {
 public:
  explicit CoreMLBackend(std::string cache_folder) : cache_folder_(std::move(cache_folder)) {}

  std::unique_ptr<Program> load(const ProgramSource& source,
                                const ProgramSignature& signature) override {
    @autoreleasepool {
      MLModelConfiguration* configuration = configure(source);
      NSError* error = nil;
      MLModel* model = [MLModel modelWithContentsOfURL:compiled(source)
                                         configuration:configuration
                                                 error:&error];
      if (model == nil && forget_unproven(source)) {
        model = [MLModel modelWithContentsOfURL:compiled(source)
                                  configuration:configuration
                                          error:&error];
      }
      if (model == nil) fail(source.shown, "load", error);
      prove(source);
      return std::make_unique<CoreMLProgram>(model, source.shown, signature);
    }
  }

  std::size_t memory_estimate(std::size_t file_bytes) const override {
    return file_bytes * 2;  // the weights, and as the hardware wants them; not measured
  }

 private:
  static MLModelConfiguration* configure(const ProgramSource& source) {
    MLModelConfiguration* configuration = [[MLModelConfiguration alloc] init];
    configuration.computeUnits = MLComputeUnitsAll;
    if (source.function == "main") return configuration;  // a package's only function needs no name
    if (@available(iOS 18.0, macOS 15.0, *)) {
      configuration.functionName = to_ns(source.function);
      return configuration;
    }
    throw Error(ErrorCode::unsupported_version,
                "this bundle needs iOS 18 or macOS 15; update the system, or get the bundle for "
                "older ones");
  }

  std::string path_of(const ProgramSource& source) const {
    return compiled_model_path(cache_folder_, source.fingerprint);
  }

  // The compiled model, from the cache where it is there. The functions of a package share one.
  NSURL* compiled(const ProgramSource& source) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string path = path_of(source);
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
      NSError* error = nil;
      NSURL* temporary = [MLModel compileModelAtURL:folder_url(source.path) error:&error];
      if (temporary == nil) fail(source.shown, "compile", error);
      keep_compiled_model(temporary.fileSystemRepresentation, path);
      proven_.insert(source.fingerprint);
    }
    return folder_url(path);
  }

  void prove(const ProgramSource& source) {
    const std::lock_guard<std::mutex> lock(mutex_);
    proven_.insert(source.fingerprint);
  }

  // Removes a compiled model that an earlier process left and this one never could load: another
  // version of the system may have made it. False where that cannot be what is wrong.
  bool forget_unproven(const ProgramSource& source) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (proven_.count(source.fingerprint) > 0) return false;
    std::error_code error;
    return std::filesystem::remove_all(path_of(source), error) > 0 && !error;
  }

  std::string cache_folder_;

  // Of the process: another engine may be using the same model.
  static inline std::mutex mutex_;
  static inline std::set<std::string> proven_;  // fingerprints of models compiled or loaded
};

}  // namespace

std::unique_ptr<Backend> make_coreml_backend(const std::string& cache_folder) {
  if (!cache_folder.empty()) return std::make_unique<CoreMLBackend>(cache_folder);
  @autoreleasepool {
    NSString* caches =
        NSSearchPathForDirectoriesInDomains(NSCachesDirectory, NSUserDomainMask, YES).firstObject;
    if (caches == nil) throw Error(ErrorCode::io, "the system names no folder for caches");
    return std::make_unique<CoreMLBackend>(std::string(caches.UTF8String) + "/likeness-coreml");
  }
}

}  // namespace likeness
