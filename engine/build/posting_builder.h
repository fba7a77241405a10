// Builds inverted lists of sparse vectors.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cassata/manifest.h"
#include "cassata/stream.h"
#include "engine/build/work_files.h"
#include "engine/codec/codes.h"
#include "format/file/file_writer.h"

namespace cassata {

struct PostingsParams {
  /// True if every code must be at least its value, as exact search needs. Otherwise a few outliers may be clipped.
  bool bounds = true;
  std::uint32_t n_postings = 0;  ///< most entries of a posting list; 0: no limit
  float summary_energy = 1;      ///< share of the sum of a list's block maxima that is kept, over 0 and at most 1
  std::uint32_t n_knn = 0;       ///< stored nearest neighbours of each row
  unsigned num_threads = 0;
  Progress progress = {};
};

/// Streams the vectors and their codes into staging files, orders the rows so that similar ones share a row block, and
/// writes posting lists, neighbours, ids and codes. Memory holds some numbers per row, one list, and the entries of as
/// many components as about 8 million entries. Throws Error: invalid_argument (values that the encoding cannot store),
/// io.
PostingsEntry write_postings(VectorStream& vectors, const Encoder& encoder, const PostingsParams& params,
                             const WorkFiles& files, FileWriter& writer);

}  // namespace cassata
