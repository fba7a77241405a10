// Readers of dense input formats. open_stream() selects one by extension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cassata/stream.h"
#include "format/os/file_reader.h"

namespace cassata {

/// Approximate size of a batch, in bytes of f32 values.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;

/// .npy files: format versions 1 to 3, 2-D, C order, little-endian.
std::unique_ptr<DenseStream> open_npy(FileReader file, ElementType);
/// .fvecs and .bvecs files: each row is its dim as i32, then its elements (http://corpus-texmex.irisa.fr).
std::unique_ptr<DenseStream> open_vecs(FileReader file, ElementType type);
/// .fbin, .u8bin and .i8bin files: rows and dim as u32, then all elements (https://big-ann-benchmarks.com).
std::unique_ptr<DenseStream> open_bin(FileReader file, ElementType type);

/// Tightly packed rows from byte `offset` to the end of the file. Throws Error(invalid_argument) if the length of the
/// file does not match.
std::unique_ptr<DenseStream> packed_rows(FileReader file, std::uint64_t offset, std::uint64_t rows, std::uint64_t dim,
                                         ElementType type);

}  // namespace cassata
