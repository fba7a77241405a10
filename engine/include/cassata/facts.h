// The facts in an index file's header and manifest, as a tree of names and values: Python's Index.info and the JSON of
// the command line are made from it.
#pragma once

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
/// All facts, which begin with these.
Facts facts_of(const Index& index);

}  // namespace cassata
