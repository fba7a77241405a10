// cassata build: a file of vectors becomes an index file.
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cassata/index.h"
#include "cassata/recommend.h"
#include "cassata/stream.h"
#include "tools/build_report.h"
#include "tools/command.h"
#include "tools/describe.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

struct BuildChoices {
  std::string input, output, encoding, navigation, second_encoding, layout;
  std::optional<double> prune_percentage;
  std::optional<std::uint32_t> m_pq, bits, second_bits;
  std::string of_lists, of_graph;  // the last option given that only inverted lists have, or graphs
  bool residual = false, quiet = false, json = false;
  BuildParams params;
};

constexpr std::uint32_t kUsualBits = 4, kMaxBits = 8;  // of rabitq

void refuse(bool given, const std::string& option, const std::string& place) {
  if (given) invalid_argument(option + ": given, which there is only with " + place);
}

/// The vectors, in the encoding that was given, finish what codes of another guide.
void choose_navigation(BuildChoices& choices, Shape shape) {
  BuildParams& params = choices.params;
  if (!choices.second_encoding.empty() || choices.prune_percentage || choices.residual)
    invalid_argument(
        "--rerank, --prune-percentage, --residual: given with --navigation, which finishes with whole vectors");
  const Encoding whole = params.encoding;
  about_option("--navigation", [&] { params.encoding = parse_navigation(choices.navigation, params.kind, shape); });
  if (whole != Encoding::f32 && whole != Encoding::f16)
    invalid_argument("--encoding: " + tools::quoted(choices.encoding) +
                     " given with --navigation, expected 'f32' or 'f16'");
  params.rerank = RerankChoices{.encoding = whole, .navigation = true};
}

void choose_rerank(BuildChoices& choices, Shape shape) {
  BuildParams& params = choices.params;
  if (shape == Shape::dense && choices.prune_percentage)
    invalid_argument("--prune-percentage: given, which there is not for dense vectors");
  if (shape == Shape::sparse && choices.residual && !choices.prune_percentage)
    invalid_argument("--residual: given without --prune-percentage, which tells what is left out");
  if (shape == Shape::dense && choices.residual && choices.second_encoding.empty())
    invalid_argument("--residual: given without --rerank, expected --rerank rabitq, which holds what is left out");
  RerankChoices second{.encoding = shape == Shape::sparse ? Encoding::sparse_f16 : Encoding::f16,
                       .residual = choices.residual};
  if (!choices.second_encoding.empty())
    about_option("--rerank", [&] { second.encoding = parse_encoding(choices.second_encoding, shape); });
  if (second.encoding == Encoding::rabitq) second.code.bits = choices.second_bits.value_or(kUsualBits);
  if (choices.prune_percentage) second.prune_percentage = *choices.prune_percentage;
  params.rerank = second;
}

/// What the first codes leave open.
void choose_code(BuildChoices& choices) {
  BuildParams& params = choices.params;
  refuse(choices.bits && params.encoding != Encoding::rabitq, "--bits", "--encoding rabitq or --navigation rabitq");
  refuse(choices.m_pq && params.encoding != Encoding::pq, "--m-pq", "--encoding pq");
  refuse(params.code.rotated && params.encoding != Encoding::pq, "--opq", "--encoding pq");
  if (params.encoding == Encoding::pq && !choices.m_pq)
    invalid_argument(
        "--m-pq: none given, expected the pieces that --encoding pq cuts a vector into, and bytes that it takes");
  params.code.m_pq = choices.m_pq.value_or(0);
  if (params.encoding == Encoding::rabitq) params.code.bits = choices.bits.value_or(kUsualBits);
}

/// Where what guides the walk is to lie.
void choose_layout(BuildChoices& choices) {
  if (choices.layout.empty()) return;
  if (choices.layout != "paged")
    invalid_argument("--layout: " + tools::quoted(choices.layout) +
                     " given, expected 'paged'; of tokens there are others, with --multivec");
  GraphType& type = choices.params.graph_type;
  if (type != GraphType::permuted && type != GraphType::paged)
    invalid_argument("--graph-type: '" + std::string(name_of(type)) +
                     "' given with --layout paged, which has an order and lists of its own");
  if (choices.navigation.empty())
    invalid_argument("--layout: 'paged' given without --navigation, expected codes that guide the walk, e.g. int4");
  type = GraphType::paged;
}

/// Names of encodings mean others for other shapes of vectors.
void choose_encodings(BuildChoices& choices) {
  const Shape shape = shape_of(choices.input);
  BuildParams& params = choices.params;
  if (shape == Shape::sparse) params.encoding = params.kind == Kind::flat ? Encoding::sparse_f32 : Encoding::sparse_f16;
  refuse(!choices.of_lists.empty() && params.kind != Kind::postings, choices.of_lists, "--kind postings");
  refuse(!choices.of_graph.empty() && params.kind != Kind::graph, choices.of_graph, "--kind hnsw");
  if (!choices.encoding.empty())
    about_option("--encoding", [&] { params.encoding = parse_encoding(choices.encoding, shape); });
  const bool again = !choices.second_encoding.empty() || choices.prune_percentage || choices.residual;
  if (!choices.navigation.empty())
    choose_navigation(choices, shape);
  else if (again)
    choose_rerank(choices, shape);
  choose_layout(choices);
  choose_code(choices);
  refuse(choices.second_bits && (!params.rerank || params.rerank->encoding != Encoding::rabitq), "--rerank-bits",
         "--rerank rabitq");
  const std::initializer_list<Encoding> first_of_two = {Encoding::dense_int8, Encoding::dense_int4, Encoding::rabitq};
  if (!params.rerank && std::ranges::count(first_of_two, params.encoding) != 0)
    invalid_argument("--encoding: " + tools::quoted(choices.encoding) +
                     " given without --rerank, expected --rerank f16, f32 or rabitq beside it, or --navigation " +
                     choices.encoding + " and vectors in f32 or f16");
}

void add_options_of_codes(CommandLine& line, BuildChoices& choices) {
  line.option("m-pq", "N", "", "of --encoding pq: pieces that a vector is cut into, and bytes that it takes",
              [&](const std::string& text) {
                choices.m_pq = number<std::uint32_t>(text, 1, kMaxDim, "the vectors' dimension");
              });
  line.flag("opq", choices.params.code.rotated, "... learn a rotation first, after which less of the vectors is lost");
  line.option("bits", "N", std::to_string(kUsualBits),
              "of rabitq, as --encoding or --navigation: bits a dimension, 1 to 8",
              [&](const std::string& text) { choices.bits = number<std::uint32_t>(text, 1, kMaxBits); });
}

void add_options_of_lists(CommandLine& line, BuildChoices& choices) {
  PostingsChoices& params = choices.params.postings;
  line.option("n-postings", "N", std::to_string(params.n_postings),
              "of --kind postings: entries that a list has at most; 0: all", [&](const std::string& text) {
                choices.of_lists = "--n-postings", params.n_postings = number<std::uint32_t>(text);
              });
  line.option("summary-energy", "N", fixed(static_cast<double>(params.summary_energy), 1),
              "... share of a list's summary that is kept, over 0 and at most 1", [&](const std::string& text) {
                choices.of_lists = "--summary-energy", params.summary_energy = number<float>(text);
              });
  line.option(
      "n-knn", "N", std::to_string(params.n_knn),
      "... nearest neighbours of each vector that are kept for a search to look at",
      [&](const std::string& text) { choices.of_lists = "--n-knn", params.n_knn = number<std::uint32_t>(text); });
}

CommandLine line_of(BuildChoices& choices) {
  CommandLine line("build INPUT -o OUTPUT [OPTIONS]",
                   "Builds an index file from a file of vectors: .npy (2-D, C order, little-endian), .fvecs, .bvecs, "
                   ".fbin, .u8bin or .i8bin;\n"
                   ".bin: sparse vectors (u32 n; for each vector u32 nnz, nnz u32 components that rise, nnz f32 "
                   "values; little-endian).\n"
                   "INPUT is streamed: memory holds the graph, a chunk of vectors and, of encodings that learn, "
                   "samples of them. OUTPUT appears at the very end, "
                   "complete; until then a\n"
                   "former file of that name stays as it is. The same input and parameters give the same bytes, "
                   "whatever the threads.\n"
                   "What to choose? 'cassata build INPUT -o OUTPUT --target-recall 0.95' tries and tells; see 'cassata "
                   "build --target-recall --help'.\n"
                   "Token vectors beside an index: see 'cassata build --multivec --help'; made small: 'cassata build "
                   "--two-level --help'.");
  BuildParams& params = choices.params;
  line.argument("INPUT", choices.input);
  line.option("output,o", "FILE", "", "the index file to write",
              [&](const std::string& text) { choices.output = text; });
  line.option("kind", "NAME", std::string(name_of(params.kind)),
              "hnsw: approximate, a graph; flat: exact; postings: approximate, inverted lists of sparse vectors",
              [&](const std::string& text) { params.kind = parse_kind(text); });
  line.option("metric", "NAME", std::string(name_of(params.metric)), "dotproduct or euclidean",
              [&](const std::string& text) { params.metric = parse_metric(text); });
  line.option("encoding", "NAME", std::string(name_of(params.encoding)),
              "how values are stored: f32, or f16 for half the size, which sparse vectors of another kind than flat "
              "get if none is given; dense also pq "
              "(pieces, for each the nearest of 256 learned ones: DensePQHNSW), and int8, int4 and rabitq as first of "
              "two; sparse "
              "also fixedu8, fixedu16 (whole numbers times a scale) and dotvbyte (components packed, too: 2.3 bytes an "
              "entry; dotproduct only)",
              [&](const std::string& text) { choices.encoding = text; });
  add_options_of_codes(line, choices);
  line.option("navigation", "NAME", "",
              "of dense vectors in f32 or f16: int8, int4 or rabitq codes beside them that guide the walk, so that it "
              "reads less; what it finds is "
              "scored by the vectors",
              [&](const std::string& text) { choices.navigation = text; });
  line.option("rerank", "NAME", "",
              "store vectors a second time, in this encoding: what a search finds by --encoding is scored again by it "
              "(SparseRerankHNSW; "
              "DenseRerankHNSW, with --encoding pq, rabitq, int8 or int4, and --rerank f16, f32 or rabitq)",
              [&](const std::string& text) { choices.second_encoding = text; });
  line.option("prune-percentage", "N", "",
              "of each sparse vector, --encoding keeps the fewest entries that have this share of the sum of absolute "
              "values; --rerank (f16 "
              "unless given) keeps all",
              [&](const std::string& text) { choices.prune_percentage = number<double>(text); });
  line.option("rerank-bits", "N", std::to_string(kUsualBits), "of --rerank rabitq: bits a dimension, 1 to 8",
              [&](const std::string& text) { choices.second_bits = number<std::uint32_t>(text, 1, kMaxBits); });
  line.flag("residual", choices.residual,
            "--rerank keeps only what --prune-percentage, or --encoding rabitq, int8 or int4, leaves out; both scores "
            "are summed");
  add_options_of_lists(line, choices);
  line.option(
      "graph-type", "NAME", std::string(name_of(params.graph_type)),
      "permuted: close vectors lie close together, for collections larger than memory; compressed: so, too, with coded "
      "lists of "
      "neighbours; standard: in the order of INPUT. Ids are the same",
      [&](const std::string& text) { choices.of_graph = "--graph-type", params.graph_type = parse_graph_type(text); });
  line.option("layout", "NAME", "",
              "paged: graph and codes of --navigation lie in pages that hold what is read together, for collections of "
              "which not even these fit "
              "into memory",
              [&](const std::string& text) { choices.of_graph = "--layout", choices.layout = text; });
  line.option(",m", "N", std::to_string(params.m),
              "neighbours of a node on the upper levels of the graph; twice as many on the ground level",
              [&](const std::string& text) {
                choices.of_graph = "-m";
                params.m = number<std::uint32_t>(text, BuildParams::kMinM, BuildParams::kMaxM);
              });
  line.option("ef-construction", "N", std::to_string(params.ef_construction),
              "candidates among which neighbours are chosen: more is a better graph and a longer build",
              [&](const std::string& text) {
                choices.of_graph = "--ef-construction";
                params.ef_construction = number<std::uint32_t>(text, 1, kMaxSize);
              });
  line.option("memory-budget", "SIZE", "",
              "build the graph in regions that fit into so much memory, as '512MiB': for collections larger than "
              "memory. What was done is kept in "
              "OUTPUT.build until OUTPUT is there",
              [&](const std::string& text) {
                choices.of_graph = "--memory-budget";
                params.memory_budget = parse_memory(text, "memory_budget");
              });
  add_force(line, params.replace);
  line.flag("resume", params.resume,
            "... go on with what an interrupted build left there, if there is anything; the file is the same");
  line.option("threads", params.num_threads, "0: all processors");
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON");
  return line;
}

int build_plainly(const Words& words) {
  BuildChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  choose_encodings(choices);
  check_output(choices.output, "the index file to write");
  refuse_overwriting(choices.output, {choices.input});
  build_and_tell(choices.input, choices.params, choices.output, {.quiet = choices.quiet, .json = choices.json});
  return kOk;
}

/// What is built, and from what, by the option that asks for it.
struct Way {
  std::string_view option;
  int (*run)(const Words& words);
  bool (*has)(const std::string& option);
};

constexpr Way kPlain = {"", build_plainly, [](const std::string& option) {
                          BuildChoices choices;
                          return line_of(choices).has(option);
                        }};
constexpr Way kOthers[] = {{"--target-recall", build_recommended, recommended_has},
                           {"--multivec", build_multivector, multivector_has},
                           {"--two-level", build_two_level, two_level_has}};

/// Throws an error that tells where there is an option that there is not here, if anywhere.
void tell_place(const std::string& option, const Way& way) {
  if (&way != &kPlain && kPlain.has(option))
    invalid_argument(option + ": given, which there is not with " + std::string(way.option));
  std::string places;
  for (const Way& other : kOthers)
    if (other.has(option)) places += (places.empty() ? "" : " or ") + std::string(other.option);
  refuse(!places.empty(), option, places);
}

}  // namespace

int build(const Words& words) {
  const Way* way = &kPlain;
  for (const Way& other : kOthers)
    if (way == &kPlain &&
        std::ranges::any_of(words, [&](const std::string& word) { return word.starts_with(other.option); }))
      way = &other;
  return naming_options(way->has, [&] {
    try {
      return way->run(words);
    } catch (const UnknownOption& error) {
      tell_place(error.option(), *way);
      throw;
    }
  });
}

}  // namespace cassata::tools
