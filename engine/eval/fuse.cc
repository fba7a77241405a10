#include "cassata/fuse.h"

#include <algorithm>
#include <cmath>
#include <numeric>
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
constexpr Named<BestScore> kBestScores[] = {{"largest", BestScore::largest}, {"smallest", BestScore::smallest}};

template <class Choice>
Choice parse_named(std::span<const Named<Choice>> known, std::string_view text, const char* argument) {
  for (const Named<Choice>& one : known)
    if (one.name == text) return one.choice;
  invalid_argument(std::string(argument) + ": " + quoted(text) + " given, expected one of " +
                   quoted_list(known, &Named<Choice>::name));
}

std::string place_of(const Ranking& ranking, std::size_t query, std::size_t i) {
  const std::string place = ranking.place ? ranking.place(query, i)
                                          : "query " + decimal(query) + ", place " +
                                                decimal(i - static_cast<std::size_t>(ranking.limits[query]));
  return ranking.name + ": " + place + ": ";
}

void check_ranking(const Ranking& ranking, const FuseParams& params, const Ranking& first) {
  if (!(ranking.weight >= 0 && ranking.weight <= kLargestWeight))
    invalid_argument("weights: " + decimal(ranking.weight) + " given for " + ranking.name +
                     ", expected a number from 0 to " + decimal(kLargestWeight));
  if (params.method != FuseMethod::sum && ranking.best != BestScore::shown)
    invalid_argument("best: given with method 'rrf', expected method 'sum'");
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

/// Whether the smallest score of a ranking is the best. Throws Error(invalid_argument) if its order contradicts that,
/// and if nothing shows it though it matters.
bool smallest_is_best(const Ranking& ranking, const FuseParams& params) {
  std::optional<bool> rises;
  if (ranking.best != BestScore::shown) rises = ranking.best == BestScore::smallest;
  bool any = false, missing_above = false, missing_below = false;
  for (std::size_t query = 0; query + 1 < ranking.limits.size(); ++query) {
    std::optional<float> before;
    for (auto i = static_cast<std::size_t>(ranking.limits[query]);
         i < static_cast<std::size_t>(ranking.limits[query + 1]); ++i) {
      const float score = ranking.scores[i];
      if (ranking.ids[i] == kMissing) {
        if (std::isinf(score)) (score > 0 ? missing_above : missing_below) = true;
        continue;
      }
      any = true;
      if (before && score != *before) {
        if (rises && *rises != (score > *before))
          invalid_argument(place_of(ranking, query, i) + "score " + decimal(score) + " after " + decimal(*before) +
                           ", but " +
                           (ranking.best != BestScore::shown
                                ? std::string("the ") + (*rises ? "smallest" : "largest") + " is the best"
                                : std::string("scores before ") + (*rises ? "rise" : "fall")) +
                           ", expected results best first");
        rises = score > *before;
      }
      before = score;
    }
  }
  if (rises) return *rises;
  if (missing_above != missing_below) return missing_above;
  if (any && params.normalize == Normalization::none)
    invalid_argument("best: none given for " + ranking.name +
                     ", whose scores do not show which is the best, expected 'largest' or 'smallest'");
  return false;
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
  double score;
  std::int64_t id;
};

[[noreturn]] void refuse_twice(const Ranking& ranking, std::size_t query, std::int64_t id, const FuseParams& params) {
  const auto begin = ranking.ids.begin() + ranking.limits[query], end = ranking.ids.begin() + ranking.limits[query + 1];
  const auto second = std::find(std::next(std::find(begin, end, id)), end, id);
  invalid_argument(place_of(ranking, query, static_cast<std::size_t>(second - ranking.ids.begin())) + "id " +
                   (params.shown ? params.shown(id) : std::to_string(id)) + " twice, expected each id once");
}

/// Adds the parts of each id, `lacking[r]` where ranking r has none. Sorts `parts`.
std::vector<Result> fused_results(std::vector<Part>& parts, std::span<const double> lacking,
                                  std::span<const Ranking> rankings, std::size_t query, const FuseParams& params) {
  std::ranges::sort(parts,
                    [](const Part& a, const Part& b) { return a.id != b.id ? a.id < b.id : a.ranking < b.ranking; });
  std::vector<Result> results;
  std::vector<double> values(rankings.size());
  for (auto part = parts.begin(); part != parts.end();) {
    const auto first = part;
    std::ranges::copy(lacking, values.begin());
    for (; part != parts.end() && part->id == first->id; ++part) {
      if (part != first && part->ranking == std::prev(part)->ranking)
        refuse_twice(rankings[part->ranking], query, part->id, params);
      values[part->ranking] = part->value;
    }
    std::ranges::sort(values);  // so that ids with the same values tie, whatever rankings these are of
    results.push_back({std::accumulate(values.begin(), values.end(), 0.0), first->id});
  }
  return results;
}

float rounded(double sum) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(sum, -kLargest, kLargest));
}

}  // namespace

FuseMethod parse_fuse_method(std::string_view text) { return parse_named<FuseMethod>(kMethods, text, "method"); }
Normalization parse_normalization(std::string_view text) {
  return parse_named<Normalization>(kNormalizations, text, "normalize");
}

BestScore parse_best_score(std::string_view text) { return parse_named<BestScore>(kBestScores, text, "best"); }

HitLists fuse(std::span<const Ranking> rankings, const FuseParams& params) {
  if (rankings.empty()) invalid_argument("rankings: none given, expected at least one");
  const bool sums = params.method == FuseMethod::sum;
  if (!(params.k >= 0 && params.k <= kLargestRankConstant))
    invalid_argument("k: " + decimal(params.k) + " given, expected a number from 0 to " +
                     decimal(kLargestRankConstant));
  if (!sums && params.normalize != Normalization::none)
    invalid_argument("normalize: given with method 'rrf', expected method 'sum'");
  std::vector<bool> negated;
  for (const Ranking& ranking : rankings) {
    check_ranking(ranking, params, rankings.front());
    negated.push_back(sums && smallest_is_best(ranking, params));
  }
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
      if (sums) lacking[r] = scale(std::span(parts).subspan(begin), negated[r], params, ranking.weight);
    }
    std::vector<Result> results = fused_results(parts, lacking, rankings, query, params);
    const std::size_t count = std::min(params.top, results.size());
    std::ranges::partial_sort(
        results, results.begin() + static_cast<std::ptrdiff_t>(count),
        [](const Result& a, const Result& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; });
    for (const Result& result : std::span(results).first(count)) {
      out.scores.push_back(rounded(result.score));
      out.ids.push_back(result.id);
    }
    out.limits.push_back(static_cast<std::int64_t>(out.ids.size()));
  }
  return out;
}

}  // namespace cassata
