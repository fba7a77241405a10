// The facts of an index file as a tree of names and values: Python's Index.info and Index.residency() and the JSON of
// the command line are made from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cassata/index.h"
#include "cassata/parameters.h"

namespace cassata {

struct Fact;
/// Named facts, in order.
using Facts = std::vector<std::pair<std::string, Fact>>;

/// A value, a list or named facts.
struct Fact {
  std::variant<Value, std::vector<Fact>, Facts> content;

  template <class T>
  Fact(T value) : content(std::move(value)) {}  // NOLINT: implicit, so that trees can be written as lists
};

/// The facts that identify an index: class, kind, n, dim, metric, dtype, navigation, bits, m_pq, opq, file_size, uuid.
Facts identity_of(const Index& index);
/// All facts in header and manifest, which begin with these.
Facts facts_of(const Index& index);

/// The sum of the parts of a tier, named "hot" or "cold"; of both: "all".
SectionResidency summed(const std::vector<SectionResidency>& parts, std::optional<Tier> tier);
/// How much of the file is in memory: sections, and the sums hot, cold and all.
Facts residency_of(const Index& index);

}  // namespace cassata
