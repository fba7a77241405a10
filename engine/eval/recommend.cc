#include "cassata/recommend.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "cassata/error.h"
#include "cassata/exact.h"
#include "cassata/index.h"
#include "cassata/parameters.h"
#include "engine/base/sampling.h"
#include "engine/index/answers.h"
#include "engine/index/registry.h"
#include "engine/index/schema_rules.h"
#include "format/base/text.h"

namespace cassata {
namespace {

constexpr std::size_t kMaxQueries = 500;
constexpr std::size_t kParts = 4;    // the small sample is 1 / kParts of the large one
constexpr double kFastEnough = 0.9;  // share of the highest speed; among such indexes, fewer hot bytes win

/// The build parameters that are tried: those that a class supports for vectors of this kind and this metric.
std::vector<BuildParams> candidates(VectorKind vector_kind, Metric metric, std::size_t dim) {
  constexpr std::uint32_t kM = 16;
  const auto plain = [&](Kind kind, Stage first, GraphType type = GraphType::permuted) {
    return BuildParams{
        .schema = {.kind = kind, .vector_kind = vector_kind, .metric = metric, .first = first, .graph = type},
        .graph = {.m = kM}};
  };
  const auto graph = [&](Encoding encoding, GraphType type = GraphType::permuted) {
    return plain(Kind::graph, {.encoding = encoding}, type);
  };
  const auto traversal_only = [&](Encoding encoding, std::uint32_t bits, Encoding stored,
                                  GraphType type = GraphType::permuted) {
    BuildParams params =
        plain(Kind::graph, {.encoding = encoding, .code = {.bits = bits}, .role = Role::traversal}, type);
    params.schema.second = Stage{.encoding = stored, .role = Role::rerank};
    return params;
  };
  const CodeParams subspaces = {.m_pq = static_cast<std::uint32_t>(std::max<std::size_t>(1, dim / 4))};
  std::vector<BuildParams> all = {
      plain(Kind::flat, {.encoding = Encoding::f32}),
      plain(Kind::flat, {.encoding = Encoding::f16}),
      graph(Encoding::f32),
      graph(Encoding::f16),
      traversal_only(Encoding::dense_int8, 0, Encoding::f32),
      traversal_only(Encoding::dense_int8, 0, Encoding::f16),
      traversal_only(Encoding::dense_int8, 0, Encoding::f16),
      traversal_only(Encoding::dense_int4, 0, Encoding::f16),
      traversal_only(Encoding::dense_int4, 0, Encoding::f16, GraphType::compressed),
      traversal_only(Encoding::rabitq, 4, Encoding::f16),
      traversal_only(Encoding::rabitq, 1, Encoding::f16),
      traversal_only(Encoding::rabitq, 1, Encoding::f16, GraphType::compressed),
      plain(Kind::graph, {.encoding = Encoding::pq, .code = subspaces}, GraphType::compressed),
      plain(Kind::flat, {.encoding = Encoding::sparse_f32}),
      plain(Kind::postings, {.encoding = Encoding::sparse_f16}),
      graph(Encoding::sparse_f16),
      graph(Encoding::sparse_fixed8),
      graph(Encoding::sparse_packed),
      graph(Encoding::sparse_packed, GraphType::compressed),
  };
  all[6].graph.m = 2 * kM;
  std::erase_if(all, [](const BuildParams& params) { return !problem_with(params.schema).empty(); });
  return all;
}

/// A sample of the collection: vectors, held-out queries, and their exact answers.
struct Sample {
  Rows vectors, queries;
  std::vector<std::int64_t> answers = {};

  void find_answers(const RecommendParams& params) {
    answers.resize(queries.size() * params.k);
    std::vector<float> scores(answers.size());
    search_exact(*vectors.stream("sample"), params.metric, queries.batch(),
                 {.k = params.k, .num_threads = params.num_threads}, {.ids = answers, .scores = scores},
                 params.progress);
  }
};

/// Up to `count` rows, evenly spread over `all`.
Rows some_of(const Batch& all, std::size_t count) {
  Rows some(all.sparse() ? VectorKind::sparse : VectorKind::dense, all.dim);
  const std::size_t kept = std::min(count, all.rows);
  for (std::size_t i = 0; i < kept; ++i) some.append(all.part(sampled(i, kept, all.rows), 1));
  return some;
}

/// Draws `count` of the vectors at random, each with equal probability (Knuth, The Art of Computer Programming
/// 2, 3.4.2, algorithm S), with a fixed seed.
Rows draw(VectorStream& vectors, std::uint64_t count, const Progress& progress) {
  Rows drawn(vectors.vector_kind(), vectors.dim());
  std::mt19937_64 random(1);  // NOLINT: the same sample every time
  std::uint64_t seen = 0;
  for (Batch batch = vectors.next_batch(); batch.rows != 0; batch = vectors.next_batch()) {
    for (std::size_t i = 0; i < batch.rows; ++i, ++seen)
      if (random() % (vectors.size() - seen) < count - drawn.size()) drawn.append(batch.part(i, 1));
    if (progress) progress("sample", seen, vectors.size());
  }
  return drawn;
}

Sample draw_sample(VectorStream& vectors, const Batch* queries, const RecommendParams& params) {
  const VectorKind vector_kind = vectors.vector_kind();
  const std::uint64_t size = std::min(params.sample, vectors.size());
  const std::uint64_t held_out = queries ? 0 : std::min<std::uint64_t>(kMaxQueries, size / 10);
  if (params.k > (size - held_out) / (2 * kParts) || (!queries && held_out == 0))
    invalid_argument(vectors.name() + ": a sample of " + std::to_string(size) + " vectors, expected more for k = " +
                     std::to_string(params.k) + "; any exact index searches so few vectors fast");
  const Rows drawn = draw(vectors, std::min(size + held_out, vectors.size()), params.progress);
  if (queries) return {.vectors = drawn, .queries = some_of(*queries, kMaxQueries)};
  Sample sample{.vectors = Rows(vector_kind, vectors.dim()), .queries = Rows(vector_kind, vectors.dim())};
  const std::uint64_t every = drawn.size() / held_out;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const bool query = i % every == 0 && i / every < held_out;
    (query ? sample.queries : sample.vectors).append(drawn.batch().part(i, 1));
  }
  return sample;
}

/// Measurements of one trial on one sample.
struct Measured {
  double size = 0;  ///< number of vectors
  double bytes = 0, hot_bytes = 0;
  std::vector<Point> points = {};
};

/// Builds an index of the sample for each trial and measures all of them. If a build is refused, the error is recorded
/// in the trial's `refusal`, and its measurements stay empty.
std::vector<Measured> try_all(const Sample& sample, std::vector<Trial>& trials, const RecommendParams& params,
                              std::size_t& done) {
  std::vector<Index> indexes;
  std::vector<std::size_t> tried;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const auto report = [&, at = done++](std::string_view, std::uint64_t, std::uint64_t) {
      if (params.progress) params.progress("try", at, 2 * trials.size());
    };
    BuildParams build = trials[i].params;
    build.num_threads = params.num_threads;
    build.progress = report;
    try {
      if (trials[i].refusal.empty())
        indexes.push_back(Index::build(*sample.vectors.stream("sample"), build)), tried.push_back(i);
    } catch (const Error& error) {
      if (error.code() != Errc::invalid_argument) throw;
      trials[i].refusal = error.what();
    }
  }
  const MeasureParams how{
      .search = {.k = params.k}, .ef_search = usual_ef_search(params.k), .repeat = 0, .progress = params.progress};
  const auto points = measure(indexes, sample.queries.batch(), sample.answers, how);
  std::vector<Measured> measured(trials.size());
  for (std::size_t j = 0; j < tried.size(); ++j)
    measured[tried[j]] = {.size = static_cast<double>(indexes[j].size()),
                          .bytes = static_cast<double>(indexes[j].file().header().file_length),
                          .hot_bytes = static_cast<double>(indexes[j].hot_bytes()),
                          .points = points[j]};
  return measured;
}

/// The geometric mean over all points of the time of a query, in seconds.
double time_of(const std::vector<Point>& points) {
  double sum = 0;
  for (const Point& point : points) sum -= std::log(point.queries_per_second);
  return std::exp(sum / static_cast<double>(points.size()));
}

/// Extrapolates from two samples to the collection of `size` vectors: file sizes linearly; query time, and missing
/// recall at each beam width, as powers of the size. `answers` is the number of expected answers: one of them is added
/// to the missing ones, because the difference is noise when almost none is missing.
void extrapolate(const Measured& small, const Measured& large, double size, std::size_t answers, Trial& trial) {
  constexpr double kMaxMissingExponent = 0.75, kMaxTimeExponent = 1;
  const double step = std::log(large.size / small.size), factor = size / large.size,
               one = 1 / static_cast<double>(answers);
  const auto growth = [&](double few, double many, double max_exponent) {
    return std::pow(factor, std::clamp(std::log(many / few) / step, 0.0, max_exponent));
  };
  const auto line = [&](double few, double many) {
    return many + (many - few) / (large.size - small.size) * (size - large.size);
  };
  trial.bytes = line(small.bytes, large.bytes);
  trial.hot_bytes = line(small.hot_bytes, large.hot_bytes);
  trial.points = large.points;
  const double slower = growth(time_of(small.points), time_of(large.points), kMaxTimeExponent);
  for (std::size_t i = 0; i < trial.points.size(); ++i) {
    Point& point = trial.points[i];
    const double missing = 1 - point.recall;
    const double missing_growth = growth(1 - small.points[i].recall + one, missing + one, kMaxMissingExponent);
    point.recall = std::max(0.0, 1 - missing * missing_growth);
    point.queries_per_second /= slower;
    point.p50_seconds *= slower;
    point.p99_seconds *= slower;
  }
}

/// Estimated bytes, for people.
std::string size_text(double bytes) { return cassata::size_text(static_cast<std::uint64_t>(bytes)); }

double best_recall(const Trial& trial) {
  double best = 0;
  for (const Point& point : trial.points) best = std::max(best, point.recall);
  return best;
}

/// Throws Error(invalid_argument): no trial reaches the target within the memory. Names the closest trials.
[[noreturn]] void refuse(const std::vector<Trial>& trials, const RecommendParams& params) {
  const auto fits = [&](const Trial& trial) {
    return trial.refusal.empty() && (params.memory == 0 || trial.hot_bytes <= static_cast<double>(params.memory));
  };
  const Trial *smallest = nullptr, *nearest = nullptr;
  for (const Trial& trial : trials) {
    if (trial.reached && (!smallest || trial.hot_bytes < smallest->hot_bytes)) smallest = &trial;
    if (fits(trial) && (!nearest || best_recall(trial) > best_recall(*nearest))) nearest = &trial;
  }
  const std::string target = "recall@" + std::to_string(params.k) + " of " + fixed(params.target_recall, 4);
  std::string text =
      std::string(smallest ? "memory" : "target_recall") + ": no candidate is expected to reach " + target;
  if (params.memory != 0) text += " within the memory of " + cassata::size_text(params.memory);
  if (smallest)
    text += "; the smallest that does needs " + size_text(smallest->hot_bytes) + ": " + described(*smallest);
  if (nearest)
    text += "; the best" + std::string(params.memory != 0 ? " within it" : "") + " is " +
            fixed(best_recall(*nearest), 4) + ", by " + described(*nearest);
  invalid_argument(text);
}

/// The number of the chosen trial, by the rule of recommend(); trials.size() if no trial qualifies.
std::size_t choose(const std::vector<Trial>& trials, std::uint64_t memory) {
  const auto possible = [&](const Trial& trial) {
    return trial.reached && (memory == 0 || trial.hot_bytes <= static_cast<double>(memory));
  };
  double fastest = 0;
  for (const Trial& trial : trials)
    if (possible(trial)) fastest = std::max(fastest, trial.reached->queries_per_second);
  std::size_t chosen = trials.size();
  for (std::size_t i = 0; i < trials.size(); ++i)
    if (possible(trials[i]) && trials[i].reached->queries_per_second >= kFastEnough * fastest &&
        (chosen == trials.size() || trials[i].hot_bytes < trials[chosen].hot_bytes))
      chosen = i;
  return chosen;
}

std::string explain(const Recommendation& found, const Sample& sample, std::uint64_t size, bool held_out,
                    const RecommendParams& params) {
  const Trial& choice = found.choice();
  std::size_t reach = 0, fit = 0;
  for (const Trial& trial : found.trials) {
    reach += trial.reached.has_value();
    fit += trial.reached && (params.memory == 0 || trial.hot_bytes <= static_cast<double>(params.memory));
  }
  const std::string limit =
      params.memory == 0 ? "" : ", " + std::to_string(fit) + " of them within " + cassata::size_text(params.memory);
  return described(choice) + "\nFor " + std::to_string(size) + " vectors: recall@" + std::to_string(params.k) + " " +
         fixed(choice.reached->recall, 4) +
         (choice.ef_search() == 0 ? "" : " at ef_search " + std::to_string(choice.ef_search())) + ", about " +
         fixed(choice.reached->queries_per_second, 0) + " queries/s on one thread, " + size_text(choice.hot_bytes) +
         " of hot bytes, a file of " + size_text(choice.bytes) + ".\n" + std::to_string(reach) + " of " +
         std::to_string(found.trials.size()) + " candidates reach " + fixed(params.target_recall, 4) + limit +
         "; of the fastest and those within a tenth of its speed, this one has the fewest hot bytes. Measured on a "
         "sample of " +
         std::to_string(sample.vectors.size()) + " vectors and on a quarter of it, with " +
         std::to_string(sample.queries.size()) + (held_out ? " held-out queries" : " of the given queries") +
         "; extrapolated to the whole collection.\n";
}

}  // namespace

void RecommendParams::check() const { check_values(*this, recommend_parameters()); }

Recommendation recommend(VectorStream& vectors, const Batch* queries, const RecommendParams& params) {
  params.check();
  if (queries)
    check_queries(*queries, {.vector_kind = vectors.vector_kind(), .dim = vectors.dim(), .name = vectors.name()});
  Sample large = draw_sample(vectors, queries, params);
  Sample small{.vectors = some_of(large.vectors.batch(), large.vectors.size() / kParts), .queries = large.queries};
  large.find_answers(params);
  small.find_answers(params);
  Recommendation found;
  for (const BuildParams& build : candidates(vectors.vector_kind(), params.metric, vectors.dim()))
    found.trials.push_back({.params = build, .class_name = std::string(class_of(build.schema)->name)});
  std::size_t done = 0;
  const std::vector<Measured> of_small = try_all(small, found.trials, params, done),
                              of_large = try_all(large, found.trials, params, done);
  for (std::size_t i = 0; i < found.trials.size(); ++i) {
    Trial& trial = found.trials[i];
    if (!trial.refusal.empty()) continue;
    extrapolate(of_small[i], of_large[i], static_cast<double>(vectors.size()), large.answers.size(), trial);
    trial.reached = at_recall(trial.points, params.target_recall);
  }
  found.chosen = choose(found.trials, params.memory);
  if (found.chosen == found.trials.size()) refuse(found.trials, params);
  found.why = explain(found, large, vectors.size(), queries == nullptr, params);
  return found;
}

std::string described(const Trial& trial) {
  std::string text = trial.class_name;
  for (const auto& [name, value] : arguments_of(trial.params))
    if (name != "metric") text += ", " + name + " " + value_text(value);
  return text;
}

}  // namespace cassata
