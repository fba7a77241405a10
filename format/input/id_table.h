// Tables of ids: ground truth for measuring recall.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "format/os/publish.h"

namespace cassata {

/// A table of ids, row-major.
struct IdTable {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::vector<std::int64_t> ids;
};

/// Reads a .npy file: 2-D, C order, little-endian i4, i8, u4 or u8. Larger u8 values become the largest i8. Throws
/// Error: invalid_argument (not such a file), io.
IdTable read_ids(const std::filesystem::path& path);

/// The kind of file that write_ids() writes.
FileKind id_table_kind();
/// Writes `ids`, row-major, as a .npy file of i8 with `columns` columns, and publishes it. Replaces only a file of this
/// kind, unless `replace` allows others. Throws Error(io).
void write_ids(const std::filesystem::path& path, std::span<const std::int64_t> ids, std::uint64_t columns,
               const ReplaceParams& replace = {});

}  // namespace cassata
