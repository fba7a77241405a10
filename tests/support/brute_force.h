// What a search must find, by definition and in double precision.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/search/workspace.h"
#include "tests/support/metric_definition.h"
#include "tests/support/random_case.h"

namespace cassata::test {

/// The k closest to `query`, best first, ties by lower id.
inline std::vector<Candidate> brute_force(const Vectors& vectors, Metric metric, const float* query, std::size_t k) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < vectors.size(); ++i)
    all.push_back({static_cast<float>(exact_distance(metric, query, vectors.row(i), vectors.dim)), static_cast<Id>(i)});
  std::sort(all.begin(), all.end());
  all.resize(std::min(k, all.size()));
  return all;
}

/// How many of `expected` were found, 0 to 1. Found at the distance of the last one expected counts too: equals may
/// stand for each other.
inline double recall(std::span<const Candidate> found, std::span<const Candidate> expected) {
  std::size_t hits = 0;
  for (const Candidate& c : found) hits += c.distance <= expected.back().distance;
  return static_cast<double>(std::min(hits, expected.size())) / static_cast<double>(expected.size());
}

/// For messages: gtest shows what differs.
inline std::vector<std::pair<float, Id>> pairs_of(std::span<const Candidate> candidates) {
  std::vector<std::pair<float, Id>> out;
  for (const Candidate& c : candidates) out.emplace_back(c.distance, c.id);
  return out;
}

}  // namespace cassata::test
