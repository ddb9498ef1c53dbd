// The back ends this build has. Included by the shared libraries, which link them; the portable
// core knows only the interface.
#pragma once

#include <memory>
#include <string>

#include "backend.h"
#include "error.h"

namespace likeness {

inline std::unique_ptr<Backend> make_backend(const std::string& name,
                                             const BackendOptions& options) {
#ifdef LIKENESS_HAVE_EXECUTORCH
  if (name == "executorch-xnnpack") return make_executorch_backend(options.threads);
#endif
#ifdef LIKENESS_HAVE_COREML
  if (name == "coreml") return make_coreml_backend(options.cache_folder);
#endif
  (void)options;
  throw Error(ErrorCode::unsupported_version, "this bundle is made for the back end \"" + name +
                                                  "\", which this app does not have");
}

}  // namespace likeness
