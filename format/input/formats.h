// The foreign formats, one function each; open_stream() picks by extension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cassata/stream.h"
#include "format/os/file_reader.h"

namespace cassata {

/// About as many bytes of values are given at once.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;

/// .npy, as NumPy writes it: format versions 1 to 3, 2-D, C order, little-endian.
std::unique_ptr<DenseStream> open_npy(FileReader file, ElementType);
/// .fvecs, .bvecs: each row is its dim as i32, then its elements (http://corpus-texmex.irisa.fr).
std::unique_ptr<DenseStream> open_vecs(FileReader file, ElementType type);
/// .fbin, .u8bin, .i8bin: rows and dim as u32, then all elements (https://big-ann-benchmarks.com).
std::unique_ptr<DenseStream> open_bin(FileReader file, ElementType type);

/// Rows that stand one after another from byte `offset` to the file's end. Throws Error(invalid_argument) if the file's
/// length differs.
std::unique_ptr<DenseStream> packed_rows(FileReader file, std::uint64_t offset, std::uint64_t rows, std::uint64_t dim,
                                         ElementType type);

}  // namespace cassata
