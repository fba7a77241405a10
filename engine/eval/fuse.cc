#include "cassata/fuse.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "cassata/error.h"
#include "format/base/text.h"

namespace cassata {
namespace {

constexpr std::int64_t kMissing = -1;

/// A name and what it stands for.
template <class Choice>
struct Named {
  std::string_view name;
  Choice choice;
};
constexpr Named<FuseMethod> kMethods[] = {{"rrf", FuseMethod::rrf}, {"sum", FuseMethod::sum}};
constexpr Named<Normalization> kNormalizations[] = {{"none", Normalization::none}, {"min-max", Normalization::min_max}};

template <class Choice>
Choice parse_named(std::span<const Named<Choice>> known, std::string_view text, const char* argument) {
  for (const Named<Choice>& one : known)
    if (one.name == text) return one.choice;
  invalid_argument(std::string(argument) + ": " + quoted(text) + " given, expected one of " +
                   quoted_list(known, &Named<Choice>::name));
}

std::string place_of(const Ranking& ranking, std::size_t query, std::size_t i) {
  return ranking.name + ": query " + decimal(query) + ", place " +
         decimal(i - static_cast<std::size_t>(ranking.limits[query])) + ": ";
}

void check_ranking(const Ranking& ranking, const FuseParams& params, const Ranking& first) {
  if (!std::isfinite(ranking.weight) || ranking.weight < 0)
    invalid_argument("weights: " + decimal(ranking.weight) + " given for " + ranking.name + ", expected 0 or more");
  if (ranking.scores.size() != ranking.ids.size())
    invalid_argument(ranking.name + ": " + decimal(ranking.scores.size()) + " scores, expected " +
                     decimal(ranking.ids.size()) + ", as there are ids");
  const auto falls = [](std::int64_t a, std::int64_t b) { return a > b; };
  if (ranking.limits.empty() || ranking.limits.front() != 0 ||
      ranking.limits.back() != static_cast<std::int64_t>(ranking.ids.size()) ||
      std::ranges::adjacent_find(ranking.limits, falls) != ranking.limits.end())
    invalid_argument(ranking.name + ": limits that are not from 0 to " + decimal(ranking.ids.size()) +
                     ", the number of ids, in non-decreasing order");
  if (ranking.limits.size() != first.limits.size())
    invalid_argument(ranking.name + ": " + decimal(ranking.limits.size() - 1) + " queries, expected " +
                     decimal(first.limits.size() - 1) + ", as in " + first.name);
  for (std::size_t query = 0; query + 1 < ranking.limits.size(); ++query)
    for (auto i = static_cast<std::size_t>(ranking.limits[query]);
         i < static_cast<std::size_t>(ranking.limits[query + 1]); ++i) {
      const float score = ranking.scores[i];
      if (ranking.ids[i] == kMissing || std::isfinite(score)) continue;
      if (std::isnan(score) || params.method == FuseMethod::sum)
        invalid_argument(place_of(ranking, query, i) + "score " + decimal(score) + ", expected a " +
                         (params.method == FuseMethod::sum ? "finite " : "") + "number");
    }
}

/// Whether the smallest score of a ranking is the best; none: neither order nor missing results show it. Throws
/// Error(invalid_argument) if scores both rise and fall.
std::optional<bool> smallest_first(const Ranking& ranking) {
  std::optional<bool> rises, by_missing;
  for (std::size_t query = 0; query + 1 < ranking.limits.size(); ++query) {
    std::optional<float> before;
    for (auto i = static_cast<std::size_t>(ranking.limits[query]);
         i < static_cast<std::size_t>(ranking.limits[query + 1]); ++i) {
      const float score = ranking.scores[i];
      if (ranking.ids[i] == kMissing) {
        if (std::isinf(score)) by_missing = score > 0;
        continue;
      }
      if (before && score != *before) {
        if (rises && *rises != (score > *before))
          invalid_argument(place_of(ranking, query, i) + "score " + decimal(score) + " after " + decimal(*before) +
                           ", but scores before " + (*rises ? "rise" : "fall") + ", expected results best first");
        rises = score > *before;
      }
      before = score;
    }
  }
  return rises ? rises : by_missing;
}

/// What a ranking adds to the result of an id.
struct Part {
  std::int64_t id;
  std::size_t ranking;
  double value;
};

/// Turns scores into the parts of a sum. Returns what a result adds that is not among them.
double scale(std::span<Part> parts, bool negated, const FuseParams& params, double weight) {
  if (parts.empty()) return 0;
  for (Part& part : parts) part.value = negated ? -part.value : part.value;
  const auto [worst, best] = std::ranges::minmax(parts, {}, &Part::value);
  const double low = worst.value, range = best.value - worst.value;
  const bool scaled = params.normalize == Normalization::min_max;
  for (Part& part : parts) part.value = weight * (!scaled ? part.value : range > 0 ? (part.value - low) / range : 1);
  return scaled ? 0 : weight * std::min(0.0, low);
}

struct Result {
  float score;
  std::int64_t id;
};

/// Adds the parts of each id, `lacking[r]` where ranking r has none. Sorts `parts`.
std::vector<Result> fused_results(std::vector<Part>& parts, std::span<const double> lacking,
                                  std::span<const Ranking> rankings, std::size_t query, const FuseParams& params) {
  std::ranges::sort(parts,
                    [](const Part& a, const Part& b) { return a.id != b.id ? a.id < b.id : a.ranking < b.ranking; });
  std::vector<Result> results;
  for (auto part = parts.begin(); part != parts.end();) {
    const std::int64_t id = part->id;
    double score = 0;
    for (std::size_t r = 0; r < rankings.size(); ++r) {
      if (part == parts.end() || part->id != id || part->ranking != r) {
        score += lacking[r];
        continue;
      }
      score += part->value;
      if (++part; part != parts.end() && part->id == id && part->ranking == r)
        invalid_argument(rankings[r].name + ": query " + decimal(query) + ": id " +
                         (params.shown ? params.shown(id) : std::to_string(id)) + " twice, expected each id once");
    }
    results.push_back({static_cast<float>(score), id});
  }
  return results;
}

}  // namespace

FuseMethod parse_fuse_method(std::string_view text) { return parse_named<FuseMethod>(kMethods, text, "method"); }
Normalization parse_normalization(std::string_view text) {
  return parse_named<Normalization>(kNormalizations, text, "normalize");
}

HitLists fuse(std::span<const Ranking> rankings, const FuseParams& params) {
  if (rankings.empty()) invalid_argument("rankings: none given, expected at least one");
  const bool sums = params.method == FuseMethod::sum;
  if (!std::isfinite(params.k) || params.k < 0)
    invalid_argument("k: " + decimal(params.k) + " given, expected 0 or more");
  if (!sums && params.normalize != Normalization::none)
    invalid_argument("normalize: given with method 'rrf', expected method 'sum'");
  std::vector<std::optional<bool>> orders;
  for (const Ranking& ranking : rankings) {
    check_ranking(ranking, params, rankings.front());
    orders.push_back(sums ? smallest_first(ranking) : std::nullopt);
  }
  const bool usual = std::ranges::count(orders, true) != 0 && std::ranges::count(orders, false) == 0;
  HitLists out;
  std::vector<double> lacking(rankings.size());
  std::vector<Part> parts;
  for (std::size_t query = 0; query + 1 < rankings.front().limits.size(); ++query) {
    parts.clear();
    for (std::size_t r = 0; r < rankings.size(); ++r) {
      const Ranking& ranking = rankings[r];
      const std::size_t begin = parts.size();
      for (auto i = static_cast<std::size_t>(ranking.limits[query]);
           i < static_cast<std::size_t>(ranking.limits[query + 1]); ++i) {
        if (ranking.ids[i] == kMissing) continue;
        const double rank = static_cast<double>(parts.size() - begin + 1);
        parts.push_back({ranking.ids[i], r, sums ? double{ranking.scores[i]} : ranking.weight / (params.k + rank)});
      }
      if (sums) lacking[r] = scale(std::span(parts).subspan(begin), orders[r].value_or(usual), params, ranking.weight);
    }
    std::vector<Result> results = fused_results(parts, lacking, rankings, query, params);
    const std::size_t count = std::min(params.top, results.size());
    std::ranges::partial_sort(
        results, results.begin() + static_cast<std::ptrdiff_t>(count),
        [](const Result& a, const Result& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; });
    for (const Result& result : std::span(results).first(count)) {
      out.scores.push_back(result.score);
      out.ids.push_back(result.id);
    }
    out.limits.push_back(static_cast<std::int64_t>(out.ids.size()));
  }
  return out;
}

}  // namespace cassata
