// Blocks of bytes as frames of zstd, each by itself.
#pragma once

#include <zstd.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace cassata::zstd {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using CompressorDictionary = std::unique_ptr<ZSTD_CDict, Free<ZSTD_freeCDict>>;
using Dictionary = std::unique_ptr<ZSTD_DDict, Free<ZSTD_freeDDict>>;

template <class T>
T* allocated(T* made) {
  if (made == nullptr) throw std::bad_alloc();
  return made;
}

/// The result of a call that fails only for want of memory.
inline std::size_t succeeded(std::size_t result) {
  if (ZSTD_isError(result)) throw std::bad_alloc();
  return result;
}

/// Compresses blocks. One thread.
class Compressor {
 public:
  /// Borrows `dictionary`, which has its own level; null: none.
  explicit Compressor(int level, const ZSTD_CDict* dictionary = nullptr) : context_(allocated(ZSTD_createCCtx())) {
    succeeded(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level));
    succeeded(ZSTD_CCtx_refCDict(context_.get(), dictionary));
  }
  void compress(std::span<const std::byte> block, std::vector<std::byte>& frame) const {
    frame.resize(ZSTD_compressBound(block.size()));
    frame.resize(succeeded(ZSTD_compress2(context_.get(), frame.data(), frame.size(), block.data(), block.size())));
  }

 private:
  std::unique_ptr<ZSTD_CCtx, Free<ZSTD_freeCCtx>> context_;
};

/// Decompresses a frame that gives exactly out.size() bytes, and writes nothing behind them. Returns what is wrong with
/// another frame; else an empty text. `frame` must not change meanwhile. A null dictionary: none.
inline std::string decompress(std::span<const std::byte> frame, std::span<std::byte> out,
                              const ZSTD_DDict* dictionary = nullptr) {
  thread_local const std::unique_ptr<ZSTD_DCtx, Free<ZSTD_freeDCtx>> context(allocated(ZSTD_createDCtx()));
  const std::size_t found =
      ZSTD_decompress_usingDDict(context.get(), out.data(), out.size(), frame.data(), frame.size(), dictionary);
  if (found == out.size()) return {};
  return (ZSTD_isError(found) ? ZSTD_getErrorName(found) : std::to_string(found) + " bytes") +
         std::string(", expected a zstd frame of ") + std::to_string(out.size()) + " bytes";
}

}  // namespace cassata::zstd
