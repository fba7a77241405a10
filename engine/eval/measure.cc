#include "cassata/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "cassata/error.h"

namespace cassata {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The least value that at least this share of `sorted` does not exceed.
double percentile(std::span<const double> sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Asks one set of queries, again and again.
class Asker {
 public:
  Asker(const Batch& queries, std::span<const std::int64_t> expected, std::size_t k)
      : queries_(queries), expected_(expected), k_(k), ids_(queries.rows * k), scores_(ids_.size()) {}

  /// All in one batch. Returns the seconds that it took.
  double together(const Index& index, const SearchParams& params) {
    const auto start = Clock::now();
    index.search(queries_, params, {.ids = ids_, .scores = scores_});
    return seconds_since(start);
  }

  /// One by one. What is found is the same.
  Point alone(const Index& index, SearchParams params) {
    params.num_threads = 1;
    std::vector<double> seconds(queries_.rows);
    for (std::size_t i = 0; i < queries_.rows; ++i) {
      const Hits hits{.ids = std::span(ids_).subspan(i * k_, k_), .scores = std::span(scores_).subspan(i * k_, k_)};
      const Batch query = queries_.part(i, 1);
      const auto start = Clock::now();
      index.search(query, params, hits);
      seconds[i] = seconds_since(start);
    }
    std::ranges::sort(seconds);
    return {.ef_search = params.ef_search,
            .k_candidates = params.k_candidates,
            .recall = recall(ids_, expected_, k_),
            .p50_seconds = percentile(seconds, 0.5),
            .p99_seconds = percentile(seconds, 0.99)};
  }

 private:
  const Batch& queries_;
  std::span<const std::int64_t> expected_;
  std::size_t k_;
  std::vector<std::int64_t> ids_;
  std::vector<float> scores_;
};

/// One index at one width.
struct Cell {
  std::size_t index;
  Point point;
  std::vector<double> seconds = {};
};

/// All there are to measure, in the order of their turns. An exact index has no width.
std::vector<Cell> cells_of(std::span<const Index> indexes, const MeasureParams& params) {
  std::vector<std::size_t> widths = params.ef_search;
  std::ranges::sort(widths);
  std::vector<Cell> cells;
  for (std::size_t width = 0; width < widths.size(); ++width)
    for (std::size_t i = 0; i < indexes.size(); ++i) {
      const Manifest& manifest = indexes[i].manifest();
      if (manifest.kind == Kind::flat && width != 0) continue;
      Point point{.ef_search = manifest.kind == Kind::flat ? 0 : widths[width]};
      if (manifest.rerank && !manifest.navigates())
        point.k_candidates =
            params.sweep_k_candidates ? std::max(widths[width], params.search.k) : params.search.k_candidates;
      cells.push_back({.index = i, .point = point});
    }
  return cells;
}

void check(const Batch& queries, std::span<const std::int64_t> expected, const MeasureParams& params) {
  params.check();
  if (queries.rows == 0) invalid_argument("queries: 0 given, expected at least 1");
  if (expected.size() != queries.rows * params.search.k)
    invalid_argument("expected: " + std::to_string(expected.size()) +
                     " ids, expected queries x k = " + std::to_string(queries.rows * params.search.k));
}

}  // namespace

void MeasureParams::check() const {
  search.check();
  if (ef_search.empty()) invalid_argument("ef_search: no value given, expected at least 1");
  if (std::ranges::count(ef_search, 0) != 0) invalid_argument("ef_search: 0 given, expected at least 1");
}

double recall(std::span<const std::int64_t> found, std::span<const std::int64_t> expected, std::size_t k) {
  std::uint64_t right = 0, wanted = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] < 0) continue;
    const auto of_query = found.subspan(i / k * k, k);
    right += std::ranges::find(of_query, expected[i]) != of_query.end();
    ++wanted;
  }
  return wanted == 0 ? 1 : static_cast<double>(right) / static_cast<double>(wanted);
}

std::vector<std::size_t> usual_ef_search(std::size_t k) {
  std::vector<std::size_t> widths;
  for (const double factor : {1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 50.0})
    widths.push_back(static_cast<std::size_t>(factor * static_cast<double>(std::max<std::size_t>(k, 10))));
  return widths;
}

std::vector<std::vector<Point>> measure(std::span<const Index> indexes, const Batch& queries,
                                        std::span<const std::int64_t> expected, const MeasureParams& params) {
  check(queries, expected, params);
  Asker asker(queries, expected, params.search.k);
  std::vector<Cell> cells = cells_of(indexes, params);
  SearchParams search = params.search;
  search.ef_search = std::ranges::max(params.ef_search);
  for (const Index& index : indexes) asker.together(index, search);  // brings the pages that searches touch
  for (unsigned turn = 0; turn <= params.repeat; ++turn)
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const Index& index = indexes[cells[i].index];
      search.ef_search = cells[i].point.ef_search;
      search.k_candidates = cells[i].point.k_candidates;
      if (turn == 0)
        cells[i].point = asker.alone(index, search);
      else
        cells[i].seconds.push_back(asker.together(index, search));
      if (params.progress) params.progress("measure", turn * cells.size() + i + 1, (params.repeat + 1) * cells.size());
    }
  std::vector<std::vector<Point>> points(indexes.size());
  for (Cell& cell : cells) {
    cell.point.queries_per_second =
        cell.seconds.empty() ? 1 / cell.point.p50_seconds : static_cast<double>(queries.rows) / median(cell.seconds);
    points[cell.index].push_back(cell.point);
  }
  return points;
}

std::optional<Reached> at_recall(std::span<const Point> points, double target) {
  std::optional<Reached> best;
  const auto offer = [&](double ef_search, double recall, double rate) {
    if (!best || rate > best->queries_per_second)
      best = {.ef_search = ef_search, .recall = recall, .queries_per_second = rate};
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Point& at = points[i];
    if (at.recall < target) continue;
    offer(static_cast<double>(at.ef_search), at.recall, at.queries_per_second);
    if (i == 0 || points[i - 1].recall >= target) continue;
    const Point& below = points[i - 1];
    const double share = (target - below.recall) / (at.recall - below.recall);
    offer(std::lerp(static_cast<double>(below.ef_search), static_cast<double>(at.ef_search), share), target,
          std::exp(std::lerp(std::log(below.queries_per_second), std::log(at.queries_per_second), share)));
  }
  return best;
}

}  // namespace cassata
