// The exact answers that a measurement compares with.
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
  std::string text;             ///< "exact answers over ..."
  nlohmann::ordered_json json;  ///< the same for scripts: source, path, dtype
};

/// Reads the answers, or computes them on all processors: over the vectors of `data`, or else over the vectors of an
/// index, the first that stores f32, else f16. Coarser encodings cannot serve as a reference. Saves the answers if
/// `save` is given. Throws Error(invalid_argument) if files do not fit each other, or if there is no reference.
Truth find_truth(const TruthChoices& choices, std::span<const Index> indexes, const Batch& queries, std::size_t k,
                 const Progress& progress);

}  // namespace cassata::tools
