// The answers that a measurement takes for right.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "cassata/index.h"

namespace cassata::tools {

/// Files that the user named; empty: none.
struct TruthChoices {
  std::string file;  ///< holds the answers
  std::string data;  ///< holds the vectors that the indexes were built from
  std::string save;  ///< is to hold the answers
  ReplaceParams replace = {};
};

/// The k best ids for each query, and where they are from.
struct Truth {
  std::vector<std::int64_t> ids;
  std::string told;             ///< "exact answers over ..."
  nlohmann::ordered_json json;  ///< the same for scripts: source, path, dtype
};

/// Reads the answers, or computes them on all processors: over the vectors of `data`, else over those that one of the
/// indexes stores, the first whose values are f32, else f16. Encodings that keep less of a vector do not judge
/// themselves. Saves them if that is asked for. Throws Error(invalid_argument) where files do not fit each other, and
/// where nothing tells what is right.
Truth find_truth(const TruthChoices& choices, std::span<const Index> indexes, const Batch& queries, std::size_t k,
                 const Progress& progress);

}  // namespace cassata::tools
