// Archives: one index file, compressed, for transport and storage.
#pragma once

#include <filesystem>

#include "cassata/replace.h"
#include "cassata/types.h"

namespace cassata {

/// Parameters of packing and unpacking.
struct ArchiveParams {
  static constexpr int kMinLevel = 1, kMaxLevel = 22;
  /// Level of zstd, for packing. A higher level makes a smaller archive in more time.
  int level = 9;
  /// Threads; 0 = all processors. The archive does not depend on it.
  unsigned num_threads = 0;
  /// What the file may replace: unless permitted, only a file of the kind that is written.
  ReplaceParams replace = {};
  Progress progress = {};

  /// Throws Error(invalid_argument) naming the first field that is out of range.
  void check() const;
};

/// Packs the index file at `index` into `archive`: zstd's seekable format, which any program for zstd decompresses to
/// the same bytes. Every byte of the index is compared with its hash. Memory holds some blocks. Throws Error: io,
/// corrupt (the index is damaged), incompatible, invalid_argument.
void pack(const std::filesystem::path& index, const std::filesystem::path& archive, const ArchiveParams& params = {});

/// Unpacks such an archive into `index`, which appears when all of its hashes fit. Memory holds some blocks and the
/// table of the archive's frames. Throws Error: io, corrupt (not an archive of an index, damaged or truncated),
/// incompatible, invalid_argument.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& index, const ArchiveParams& params = {});

}  // namespace cassata
