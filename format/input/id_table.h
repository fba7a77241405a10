// Tables of ids, as exact answers are kept by those who compare indexes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "format/os/publish.h"

namespace cassata {

/// Rows of as many ids, row after row.
struct IdTable {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::vector<std::int64_t> ids;
};

/// Reads a .npy file: 2-D, C order, little-endian i4, i8, u4 or u8. Throws Error(invalid_argument) naming the file and
/// what is wrong with it, or Error(io).
IdTable read_ids(const std::filesystem::path& path);

/// What write_ids() writes.
FileKind id_table_kind();
/// Writes one, of i8. It appears under its name complete, or not at all; it replaces another of i8, unless `replace`
/// says otherwise. Throws Error(io).
void write_ids(const std::filesystem::path& path, std::span<const std::int64_t> ids, std::uint64_t columns,
               const ReplaceParams& replace = {});

}  // namespace cassata
