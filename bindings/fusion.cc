// Fusion of rankings: arrays in, arrays out. bindings/cassata/fusion.py checks their shapes.
#include "cassata/fuse.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/columns.h"
#include "bindings/gil.h"
#include "bindings/numpy.h"
#include "bindings/parts.h"
#include "format/base/text_ids.h"

namespace cassata::python {
namespace {

using namespace py::literals;
using IdArray = py::array_t<std::int64_t, py::array::c_style>;
using ScoreArray = py::array_t<float, py::array::c_style>;

/// The rankings from Python: (name, limits, scores, ids) each, ids in an array of int64 or a list of str and None.
struct GivenRankings {
  explicit GivenRankings(const py::list& rankings) {
    std::vector<std::string_view> texts;
    for (const py::handle one : rankings)
      if (py::isinstance<py::list>(one[py::int_(3)]))
        for (const py::handle id : one[py::int_(3)])
          if (!id.is_none()) texts.push_back(utf8_of(id, "ids: "));
    known.emplace(std::move(texts));
    for (const py::handle one : rankings) {
      const py::object ids = one[py::int_(3)];
      are_texts = py::isinstance<py::list>(ids);
      if (are_texts) {
        numbers.emplace_back();
        for (const py::handle id : ids)
          numbers.back().push_back(id.is_none() ? -1 : known->number(utf8_of(id, "ids: ")));
      } else {
        const auto array = ids.cast<IdArray>();
        numbers.emplace_back(array.data(), array.data() + array.size());
      }
      limits.push_back(one[py::int_(1)].cast<IdArray>());
      scores.push_back(one[py::int_(2)].cast<ScoreArray>());
      names.push_back(one[py::int_(0)].cast<std::string>());
    }
  }

  std::optional<TextIds> known;
  bool are_texts = false;  // of all rankings
  std::vector<std::string> names;
  std::vector<IdArray> limits;
  std::vector<ScoreArray> scores;
  std::vector<std::vector<std::int64_t>> numbers;
};

/// (limits, scores, ids).
py::tuple fuse_rankings(const py::list& rankings, const std::vector<double>& weights,
                        const std::vector<std::optional<std::string>>& best, const std::string& method, double k,
                        const std::string& normalize, std::optional<std::size_t> top) {
  const GivenRankings given(rankings);
  FuseParams params{.method = parse_fuse_method(method), .k = k, .normalize = parse_normalization(normalize)};
  if (top) params.top = *top;
  if (given.are_texts) params.shown = [&](std::int64_t id) { return "'" + std::string(given.known->text(id)) + "'"; };
  std::vector<Ranking> all;
  for (std::size_t i = 0; i < given.names.size(); ++i)
    all.push_back({.name = given.names[i],
                   .limits = span(given.limits[i]),
                   .scores = span(given.scores[i]),
                   .ids = given.numbers[i],
                   .weight = weights[i],
                   .best = best[i] ? parse_best_score(*best[i]) : BestScore::shown});
  HitLists fused;
  {
    const WithoutGil without;
    fused = fuse(all, params);
  }
  py::object ids;
  if (given.are_texts)
    ids = object_array({fused.ids.size()}, [&](std::size_t i) { return text(given.known->text(fused.ids[i])); });
  else
    ids = array_of(std::move(fused.ids));
  return py::make_tuple(array_of(std::move(fused.limits)), array_of(std::move(fused.scores)), std::move(ids));
}

}  // namespace

void define_fuse(py::module_& module) {
  module.def("fuse", &fuse_rankings, "rankings"_a, "weights"_a, "best"_a, "method"_a, "k"_a, "normalize"_a, "top"_a);
}

}  // namespace cassata::python
