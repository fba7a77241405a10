// The searches of an index: arguments, results in arrays.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/columns.h"
#include "bindings/gil.h"
#include "bindings/given_filters.h"
#include "bindings/numpy.h"
#include "bindings/parts.h"
#include "cassata/metric.h"
#include "cassata/parameters.h"
#include "cassata/payload.h"
#include "format/base/text.h"

namespace cassata::python {
namespace {

using namespace py::literals;

/// Row numbers in `ids` as external ids, in place if these are integers. Missing places hold -1, or None among texts.
py::object external_ids(const Index& index, py::array_t<std::int64_t> ids, bool texts = true) {
  const ExternalIds* const external = index.external_ids();
  if (external == nullptr || (external->type() == IdType::text && !texts)) return ids;
  const std::span<std::int64_t> rows(ids.mutable_data(), static_cast<std::size_t>(ids.size()));
  if (external->type() == IdType::text)
    return object_array({ids.shape(), ids.shape() + ids.ndim()}, [&](std::size_t i) {
      return rows[i] < 0 ? py::none() : id_object(external->at(static_cast<Id>(rows[i])));
    });
  for (std::int64_t& row : rows)
    if (row >= 0) row = std::get<std::int64_t>(external->at(static_cast<Id>(row)));
  return ids;
}

using TokenArrays = std::optional<std::tuple<FloatArray, OffsetArray>>;

/// The queries, in their arrays' own memory.
Batch batch_of(const py::object& queries) {
  if (py::isinstance<FloatArray>(queries)) return borrow(py::reinterpret_borrow<FloatArray>(queries));
  if (!py::isinstance<py::tuple>(queries) || py::len(queries) != 3)
    throw py::type_error("queries: expected a C-contiguous float32 array, or the three arrays of sparse rows");
  const auto part = [&](std::size_t i) { return py::reinterpret_borrow<py::tuple>(queries)[i]; };
  if (!py::isinstance<ComponentArray>(part(0)) || !py::isinstance<FloatArray>(part(1)) ||
      !py::isinstance<OffsetArray>(part(2)))
    throw py::type_error("queries: expected C-contiguous uint32 components, float32 values and uint64 offsets");
  return borrow(py::reinterpret_borrow<ComponentArray>(part(0)), py::reinterpret_borrow<FloatArray>(part(1)),
                py::reinterpret_borrow<OffsetArray>(part(2)));
}

/// Throws Error(invalid_argument), about `argument`, for results that this machine could not hold.
void check_results_fit(const char* argument, std::size_t rows, std::size_t k) {
  static const std::uint64_t memory =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  constexpr std::uint64_t kBytesOfOne = sizeof(float) + sizeof(std::int64_t);
  if (rows == 0 || k <= memory / kBytesOfOne / rows) return;
  const double needed = static_cast<double>(rows) * static_cast<double>(k) * double{kBytesOfOne};
  invalid_argument(std::string(argument) + ": " + std::to_string(k) + " results for each of " + std::to_string(rows) +
                   " queries need " + (needed < 0x1p63 ? bytes_text(rows * k * kBytesOfOne) : "more than 8 EiB") +
                   ", this machine has " + bytes_text(memory));
}

/// The names of the parameters of a search, known before the first call.
const Names<SearchParams>& search_names() {
  static const Names<SearchParams> names(search_parameters());
  return names;
}

/// What a search is asked, in the caller's arrays.
struct Asked {
  /// Throws TypeError or Error(invalid_argument) naming the argument.
  Asked(const Index& index, const py::object& queries, const TokenArrays& tokens, const py::list& filters,
        const py::kwargs& arguments)
      : held(filters_of(index, filters)) {
    params.filters = held.pointers;
    params.ef_search = index.default_ef_search();
    const IndexSchema& schema = index.manifest().schema;
    each_given(search_names(), arguments, [&](const Parameter<SearchParams>& row, const Value& value) {
      check_value(row, value);
      if (!has(schema, row) && value != Value(false)) invalid_argument(std::string(row.name) + ": " + unused_text(row));
      row.set(params, value);
    });
    batch = borrow(batch_of(queries), tokens);
  }

  Filters held;
  SearchParams params;
  Batch batch;
};

/// With `texts`, external ids that are texts; else row numbers then.
py::tuple search(const Index& index, const py::object& queries, const TokenArrays& tokens, const py::list& filters,
                 bool texts, const py::kwargs& arguments) {
  const Asked asked(index, queries, tokens, filters, arguments);
  const std::size_t rows = asked.batch.rows, k = asked.params.k;
  check_results_fit("k", rows, k);
  const std::vector<std::size_t> shape = {rows, k};
  py::array_t<float> scores(shape);
  py::array_t<std::int64_t> ids(shape);
  const Hits out{.ids = {ids.mutable_data(), rows * k}, .scores = {scores.mutable_data(), rows * k}};
  {
    const WithoutGil without;
    index.search(asked.batch, asked.params, out);
  }
  return py::make_tuple(std::move(scores), external_ids(index, std::move(ids), texts));
}

/// (limits, scores, ids).
py::tuple range_search(const Index& index, const py::object& queries, const py::object& radius,
                       const py::object& max_results, const TokenArrays& tokens, const py::list& filters,
                       const py::kwargs& arguments) {
  static constexpr ParameterInfo kRadius{.name = "radius", .help = {}}, kMaxResults{.name = "max_results", .help = {}};
  const Asked asked(index, queries, tokens, filters, arguments);
  const auto bound = static_cast<float>(real_value(kRadius, radius));
  std::uint64_t most = index.size();
  if (!max_results.is_none()) most = std::min(most, whole_value(kMaxResults, max_results));
  const float infinity = std::numeric_limits<float>::infinity();
  if (bound == score_of(index.manifest().schema.metric, infinity) && asked.held.pointers.empty())
    check_results_fit("radius", asked.batch.rows, most);
  HitLists found;
  {
    const WithoutGil without;
    found = index.range_search(asked.batch, bound, asked.params, most);
  }
  return py::make_tuple(array_of(std::move(found.limits)), array_of(std::move(found.scores)),
                        external_ids(index, array_of(std::move(found.ids))));
}

}  // namespace

void define_searches(py::class_<Index>& index) {
  index
      .def("search", &search, "queries"_a, "tokens"_a.noconvert() = py::none(), "filters"_a = py::list(),
           "texts"_a = true)
      .def("range_search", &range_search, "queries"_a, "radius"_a, "max_results"_a = py::none(),
           "tokens"_a.noconvert() = py::none(), "filters"_a = py::list());
}

}  // namespace cassata::python
