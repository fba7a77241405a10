// Indexes over sparse vectors, and what they answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "cassata/index.h"
#include "format/input/sparse_files.h"
#include "tests/support/random_case.h"

namespace cassata::test {

struct Answers {
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
  bool operator==(const Answers&) const = default;
};

inline Index build(const SparseVectors& vectors, const BuildParams& params, const std::filesystem::path& path = {}) {
  return Index::build(*sparse_memory_stream("vectors.bin", vectors.components, vectors.values, vectors.offsets), params,
                      path);
}

/// Asks one of the index's searches.
template <class Search = decltype(&Index::search)>
Answers ask(const Index& index, const SparseVectors& queries, const SearchParams& params,
            Search search = &Index::search) {
  Answers out{std::vector<std::int64_t>(queries.size() * params.k), std::vector<float>(queries.size() * params.k)};
  (index.*search)(queries.batch(index.dim()), params, Hits{out.ids, out.scores});
  return out;
}

}  // namespace cassata::test
