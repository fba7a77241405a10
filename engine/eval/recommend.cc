#include "cassata/recommend.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <random>

#include "cassata/error.h"
#include "cassata/exact.h"
#include "cassata/index.h"
#include "engine/base/sampling.h"
#include "engine/index/answers.h"
#include "engine/index/registry.h"

namespace cassata {
namespace {

constexpr std::size_t kQueries = 500;  // at most
constexpr std::size_t kParts = 4;      // the second sample is one of so many
constexpr double kAsFast = 0.9;        // of the fastest: fewer hot bytes count more than the rest

/// The ways to build that are tried: those that there is a class for, over vectors of such a shape by such a metric.
std::vector<BuildParams> candidates(Shape shape, Metric metric, std::size_t dim) {
  constexpr std::uint32_t kM = 16;
  const auto exact_second = [](Encoding encoding) { return RerankChoices{.encoding = encoding, .navigation = true}; };
  const CodeParams one_bit = {.bits = 1}, four_bits = {.bits = 4},
                   pieces = {.m_pq = static_cast<std::uint32_t>(std::max<std::size_t>(1, dim / 4))};
  std::vector<BuildParams> all = {
      {.kind = Kind::flat, .encoding = Encoding::f32},
      {.kind = Kind::flat, .encoding = Encoding::f16},
      {.encoding = Encoding::f32, .m = kM},
      {.encoding = Encoding::f16, .m = kM},
      {.encoding = Encoding::dense_int8, .rerank = exact_second(Encoding::f32), .m = kM},
      {.encoding = Encoding::dense_int8, .rerank = exact_second(Encoding::f16), .m = kM},
      {.encoding = Encoding::dense_int8, .rerank = exact_second(Encoding::f16), .m = 2 * kM},
      {.encoding = Encoding::dense_int4, .rerank = exact_second(Encoding::f16), .m = kM},
      {.encoding = Encoding::dense_int4,
       .rerank = exact_second(Encoding::f16),
       .graph_type = GraphType::compressed,
       .m = kM},
      {.encoding = Encoding::rabitq, .code = four_bits, .rerank = exact_second(Encoding::f16), .m = kM},
      {.encoding = Encoding::rabitq, .code = one_bit, .rerank = exact_second(Encoding::f16), .m = kM},
      {.encoding = Encoding::rabitq,
       .code = one_bit,
       .rerank = exact_second(Encoding::f16),
       .graph_type = GraphType::compressed,
       .m = kM},
      {.encoding = Encoding::pq, .code = pieces, .graph_type = GraphType::compressed, .m = kM},
      {.kind = Kind::flat, .encoding = Encoding::sparse_f32},
      {.kind = Kind::postings, .encoding = Encoding::sparse_f16},
      {.encoding = Encoding::sparse_f16, .m = kM},
      {.encoding = Encoding::sparse_fixed8, .m = kM},
      {.encoding = Encoding::sparse_packed, .m = kM},
      {.encoding = Encoding::sparse_packed, .graph_type = GraphType::compressed, .m = kM},
  };
  std::erase_if(all, [&](const BuildParams& params) {
    const ClassRow* const row = class_of(params);
    return row == nullptr || row->shape() != shape || std::ranges::count(row->metrics, metric) == 0 ||
           std::ranges::count(row_of(params.encoding).metrics, metric) == 0;
  });
  for (BuildParams& params : all) params.metric = metric;
  return all;
}

/// What is tried on: vectors, queries that are none of them, and their exact answers.
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

/// Rows from everywhere.
Rows some_of(const Batch& all, std::size_t count) {
  Rows some(all.sparse() ? Shape::sparse : Shape::dense, all.dim);
  const std::size_t kept = std::min(count, all.rows);
  for (std::size_t i = 0; i < kept; ++i) some.append(all.part(sampled(i, kept, all.rows), 1));
  return some;
}

/// `count` of all vectors, each as likely as any other (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S),
/// but always the same.
Rows draw(VectorStream& vectors, std::uint64_t count, const Progress& progress) {
  Rows drawn(vectors.shape(), vectors.dim());
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
  const Shape shape = vectors.shape();
  const std::uint64_t most = std::min(params.sample, vectors.size());
  const std::uint64_t kept_out = queries ? 0 : std::min<std::uint64_t>(kQueries, most / 10);
  if (params.k > (most - kept_out) / (2 * kParts) || (!queries && kept_out == 0))
    invalid_argument(vectors.name() + ": " + std::to_string(most) + " vectors to try on, expected more for k = " +
                     std::to_string(params.k) + "; so few are searched fast by any exact index");
  const Rows drawn = draw(vectors, std::min(most + kept_out, vectors.size()), params.progress);
  if (queries) return {.vectors = drawn, .queries = some_of(*queries, kQueries)};
  Sample sample{.vectors = Rows(shape, vectors.dim()), .queries = Rows(shape, vectors.dim())};
  const std::uint64_t every = drawn.size() / kept_out;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const bool query = i % every == 0 && i / every < kept_out;
    (query ? sample.queries : sample.vectors).append(drawn.batch().part(i, 1));
  }
  return sample;
}

/// What was seen of one way to build on one sample.
struct Seen {
  double size = 0, bytes = 0, hot_bytes = 0;
  std::vector<Point> points = {};
};

/// Builds the sample in each way and measures all. Where that is refused the trial gets to know why, and nothing is
/// seen.
std::vector<Seen> try_all(const Sample& sample, std::vector<Trial>& trials, const RecommendParams& params,
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
  std::vector<Seen> seen(trials.size());
  for (std::size_t j = 0; j < tried.size(); ++j)
    seen[tried[j]] = {.size = static_cast<double>(indexes[j].size()),
                      .bytes = static_cast<double>(indexes[j].file().header().file_length),
                      .hot_bytes = static_cast<double>(indexes[j].hot_bytes()),
                      .points = points[j]};
  return seen;
}

/// The mean time of a query over all widths, in the geometric sense.
double time_of(const std::vector<Point>& points) {
  double sum = 0;
  for (const Point& point : points) sum -= std::log(point.queries_per_second);
  return std::exp(sum / static_cast<double>(points.size()));
}

/// From two samples to the whole collection of `size`: bytes go on along a line; the time of a query, and at each width
/// what recall lacks, as powers. `answers` were looked for: where next to none are lacking, chance has the word.
void extrapolate(const Seen& small, const Seen& large, double size, std::size_t answers, Trial& trial) {
  constexpr double kMostLack = 0.75, kMostTime = 1;  // exponents
  const double step = std::log(large.size / small.size), factor = size / large.size,
               one = 1 / static_cast<double>(answers);
  const auto growth = [&](double few, double many, double most) {
    return std::pow(factor, std::clamp(std::log(many / few) / step, 0.0, most));
  };
  const auto line = [&](double few, double many) {
    return many + (many - few) / (large.size - small.size) * (size - large.size);
  };
  trial.bytes = line(small.bytes, large.bytes);
  trial.hot_bytes = line(small.hot_bytes, large.hot_bytes);
  trial.points = large.points;
  const double slower = growth(time_of(small.points), time_of(large.points), kMostTime);
  for (std::size_t i = 0; i < trial.points.size(); ++i) {
    Point& point = trial.points[i];
    const double lack = 1 - point.recall;
    point.recall = std::max(0.0, 1 - lack * growth(1 - small.points[i].recall + one, lack + one, kMostLack));
    point.queries_per_second /= slower;
    point.p50_seconds *= slower;
    point.p99_seconds *= slower;
  }
}

std::string rounded(double value, int digits) {
  std::array<char, 64> text;
  return {text.data(), static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.*f", digits, value))};
}

std::string megabytes(double bytes) {
  return bytes < 1e5 ? rounded(bytes, 0) + " bytes" : rounded(bytes / 1e6, bytes < 1e7 ? 2 : 1) + " MB";
}

double best_recall(const Trial& trial) {
  double best = 0;
  for (const Point& point : trial.points) best = std::max(best, point.recall);
  return best;
}

/// Throws the error that names the trial which comes closest.
[[noreturn]] void refuse(const std::vector<Trial>& trials, const RecommendParams& params) {
  const auto fits = [&](const Trial& trial) {
    return trial.refusal.empty() && (params.memory == 0 || trial.hot_bytes <= static_cast<double>(params.memory));
  };
  const Trial *smallest = nullptr, *nearest = nullptr;
  for (const Trial& trial : trials) {
    if (trial.reached && (!smallest || trial.hot_bytes < smallest->hot_bytes)) smallest = &trial;
    if (fits(trial) && (!nearest || best_recall(trial) > best_recall(*nearest))) nearest = &trial;
  }
  const std::string target = "recall@" + std::to_string(params.k) + " of " + rounded(params.target_recall, 4);
  std::string text =
      std::string(smallest ? "memory" : "target_recall") + ": no index here is expected to reach " + target;
  if (params.memory != 0) text += " within the memory of " + megabytes(static_cast<double>(params.memory));
  if (smallest) text += "; " + megabytes(smallest->hot_bytes) + " would do, with " + described(*smallest);
  if (nearest)
    text += "; the best" + std::string(params.memory != 0 ? " within it" : "") + " is " +
            rounded(best_recall(*nearest), 4) + ", by " + described(*nearest);
  invalid_argument(text);
}

/// The place of the choice, as recommend() describes it; trials.size() if there is none.
std::size_t choose(const std::vector<Trial>& trials, std::uint64_t memory) {
  const auto possible = [&](const Trial& trial) {
    return trial.reached && (memory == 0 || trial.hot_bytes <= static_cast<double>(memory));
  };
  double fastest = 0;
  for (const Trial& trial : trials)
    if (possible(trial)) fastest = std::max(fastest, trial.reached->queries_per_second);
  std::size_t chosen = trials.size();
  for (std::size_t i = 0; i < trials.size(); ++i)
    if (possible(trials[i]) && trials[i].reached->queries_per_second >= kAsFast * fastest &&
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
  const std::string limit = params.memory == 0 ? ""
                                               : ", " + std::to_string(fit) + " of them within " +
                                                     megabytes(static_cast<double>(params.memory));
  return described(choice) + "\nFor " + std::to_string(size) + " vectors: recall@" + std::to_string(params.k) + " " +
         rounded(choice.reached->recall, 4) +
         (choice.ef_search() == 0 ? "" : " at ef_search " + std::to_string(choice.ef_search())) + ", about " +
         rounded(choice.reached->queries_per_second, 0) + " queries/s on one thread, " + megabytes(choice.hot_bytes) +
         " that memory should hold, a file of " + megabytes(choice.bytes) + ".\nOf " +
         std::to_string(found.trials.size()) + " ways to build, " + std::to_string(reach) + " reach " +
         rounded(params.target_recall, 4) + limit +
         "; of the fastest of these and those within a tenth of its speed, this one needs the least memory. Tried on " +
         std::to_string(sample.vectors.size()) + " vectors and a quarter of them, by " +
         std::to_string(sample.queries.size()) + (held_out ? " others as queries" : " of the given queries") +
         "; the rest is extrapolated.\n";
}

}  // namespace

void RecommendParams::check() const {
  if (!(target_recall > 0 && target_recall <= 1))
    invalid_argument("target_recall: " + std::to_string(target_recall) + " given, expected over 0 and at most 1");
  if (k == 0) invalid_argument("k: 0 given, expected at least 1");
}

Recommendation recommend(VectorStream& vectors, const Batch* queries, const RecommendParams& params) {
  params.check();
  if (queries) check_queries(*queries, {.shape = vectors.shape(), .dim = vectors.dim(), .name = vectors.name()});
  Sample large = draw_sample(vectors, queries, params);
  Sample small{.vectors = some_of(large.vectors.batch(), large.vectors.size() / kParts), .queries = large.queries};
  large.find_answers(params);
  small.find_answers(params);
  Recommendation found;
  for (const BuildParams& way : candidates(vectors.shape(), params.metric, vectors.dim()))
    found.trials.push_back({.params = way, .class_name = std::string(class_of(way)->name)});
  std::size_t done = 0;
  const std::vector<Seen> first = try_all(small, found.trials, params, done),
                          second = try_all(large, found.trials, params, done);
  for (std::size_t i = 0; i < found.trials.size(); ++i) {
    Trial& trial = found.trials[i];
    if (!trial.refusal.empty()) continue;
    extrapolate(first[i], second[i], static_cast<double>(vectors.size()), large.answers.size(), trial);
    trial.reached = at_recall(trial.points, params.target_recall);
  }
  found.chosen = choose(found.trials, params.memory);
  if (found.chosen == found.trials.size()) refuse(found.trials, params);
  found.why = explain(found, large, vectors.size(), queries == nullptr, params);
  return found;
}

std::vector<Argument> arguments_of(const BuildParams& params) {
  std::vector<Argument> out = {{"metric", std::string(name_of(params.metric))}};
  const bool navigation = params.rerank && params.rerank->navigation;
  const ClassRow* const row = class_of(params);
  if (navigation || (row != nullptr && row->encodings.size() > 1))
    out.emplace_back("dtype", std::string(name_of(navigation ? params.rerank->encoding : params.encoding)));
  if (navigation) out.emplace_back("navigation", std::string(name_of(params.encoding)));
  if (params.code.bits != 0) out.emplace_back("bits", params.code.bits);
  if (params.code.m_pq != 0) out.emplace_back("m_pq", params.code.m_pq);
  if (params.kind == Kind::graph) {
    out.emplace_back("m", params.m);
    out.emplace_back("ef_construction", params.ef_construction);
    out.emplace_back("graph_type", std::string(name_of(params.graph_type)));
  }
  return out;
}

std::string described(const Trial& trial) {
  std::string text = trial.class_name;
  for (const auto& [name, value] : arguments_of(trial.params))
    if (name != "metric")
      text += ", " + name + " " + (value.index() == 0 ? std::to_string(std::get<0>(value)) : std::get<1>(value));
  return text;
}

std::uint64_t parse_memory(std::string_view text, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, double>, 11> kUnits = {{{"", 1},
                                                                           {"B", 1},
                                                                           {"kB", 1e3},
                                                                           {"KB", 1e3},
                                                                           {"MB", 1e6},
                                                                           {"GB", 1e9},
                                                                           {"TB", 1e12},
                                                                           {"KiB", 0x1p10},
                                                                           {"MiB", 0x1p20},
                                                                           {"GiB", 0x1p30},
                                                                           {"TiB", 0x1p40}}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  for (const auto& [known, bytes] : kUnits)
    if (error == std::errc{} && unit == known && value * bytes >= 1 && value * bytes < 0x1p63)
      return static_cast<std::uint64_t>(value * bytes);
  std::string units;
  for (const auto& unit_and_bytes : kUnits) units.append(units.empty() ? "" : ", ").append(unit_and_bytes.first);
  invalid_argument(std::string(name) + ": '" + std::string(text) +
                   "' given, expected a number of bytes over 0, such as 512MiB or 2GB (units: " + units + ")");
}

}  // namespace cassata
