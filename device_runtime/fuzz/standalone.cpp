// A driver for the fuzz targets where libFuzzer is missing: fuzz_<what> SECONDS [SEED]
// CORPUS_DIR...
//
// Runs every file of the corpora, then mutations of them until the time is over. The sequence of
// inputs depends on the seed alone. It does not measure coverage, so it finds less than libFuzzer;
// it is here so that a machine with any C++ compiler runs the targets under the sanitizers. An
// input that crashes is left in the file crash-input, to be run again by naming its folder with 0
// seconds.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMaxSize = 4096;
Bytes current;

void save_current() {
  std::ofstream("crash-input", std::ios::binary)
      .write(reinterpret_cast<const char*>(current.data()),
             static_cast<std::streamsize>(current.size()));
}

void run(const Bytes& input) {
  current = input;
  // An exact-size copy on the heap, so that reading one byte too many is noticed.
  const std::vector<std::uint8_t> copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::vector<Bytes>& corpus) : random_(seed), corpus_(corpus) {}

  Bytes next() {
    Bytes bytes = corpus_[below(corpus_.size())];
    for (std::size_t count = 1 + below(6); count > 0; --count) mutate(bytes);
    if (bytes.size() > kMaxSize) bytes.resize(kMaxSize);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }

  void mutate(Bytes& bytes) {
    static const char* const kWords[] = {"\"",
                                         "[",
                                         "{",
                                         "}",
                                         "]",
                                         ",",
                                         ":",
                                         "null",
                                         "-1",
                                         "1e9",
                                         "0",
                                         "\\ud800",
                                         "\xff",
                                         "<|",
                                         "</w>",
                                         "\xcc\x81",
                                         "'s",
                                         "\xe1\x84\x80",
                                         "<dog>",
                                         "\n",
                                         "9223372036854775808",
                                         "\xf0\x9f\x90\x88"};
    const std::size_t at = below(bytes.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(bytes.size() - at, 32) + 1);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = begin + static_cast<std::ptrdiff_t>(length);
    switch (below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<std::uint8_t>(random_());
        break;
      case 2:
        bytes.erase(begin, end);
        break;
      case 3: {
        const Bytes copy(begin, end);
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                     copy.begin(), copy.end());
        break;
      }
      case 4: {
        const std::string word = kWords[below(std::size(kWords))];
        bytes.insert(begin, word.begin(), word.end());
        break;
      }
      case 5: {
        const Bytes& other = corpus_[below(corpus_.size())];
        const auto from = other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1));
        bytes.insert(begin, from, other.end());
        break;
      }
      default:
        bytes.resize(at);
        break;
    }
  }

  std::mt19937_64 random_;
  const std::vector<Bytes>& corpus_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s SECONDS [SEED] CORPUS_DIR...\n", argv[0]);
    return 2;
  }
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current);
  const double seconds = std::atof(argv[1]);
  char* end = nullptr;
  std::uint64_t seed = std::strtoull(argv[2], &end, 10);
  const bool has_seed = *end == '\0';
  if (!has_seed) seed = 0;

  std::vector<std::filesystem::path> paths;
  for (int i = has_seed ? 3 : 2; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus(1);  // the empty input
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  for (const Bytes& input : corpus) run(input);

  Mutator mutator(seed, corpus);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t runs = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    run(mutator.next());
    ++runs;
  }
  std::printf("%s: %zu seeds, %llu mutations, seed %llu, no failure\n", argv[0], corpus.size(),
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed));
  return 0;
}
