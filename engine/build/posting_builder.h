// How sparse vectors become inverted lists.
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
  bool bounds = true;  ///< no code stands for less than its value, as exact search needs; else codes of a few values
                       ///< far beyond may
  std::uint32_t n_postings = 0;  ///< entries of a list, at most; 0: all
  float summary_energy = 1;      ///< share of a summary that is kept
  std::uint32_t n_knn = 0;       ///< neighbours of a row
  unsigned num_threads = 0;
  Progress progress = {};
};

/// Streams the vectors and their codes into unnamed files, orders the rows so that similar ones share a block, and
/// writes the lists, the neighbours, the ids and the codes. Held in memory are some numbers a row, one list, and at
/// most kGathered entries on their way into lists.
PostingsEntry write_postings(VectorStream& vectors, const Encoder& encoder, const PostingsParams& params,
                             const WorkFiles& files, FileWriter& writer);

}  // namespace cassata
