// cassata build --two-level: plain token vectors become tokens of two levels.
#include "cassata/two_level.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/command.h"
#include "tools/describe.h"
#include "tools/terminal.h"

namespace cassata::tools {
namespace {

struct TrainChoices {
  std::string input, output;
  bool two_level = true, quiet = false, json = false;
  TwoLevelChoices training;
};

CommandLine line_of(TrainChoices& choices) {
  CommandLine line("build FOLDER --two-level -o OUT_FOLDER [OPTIONS]",
                   "Makes token vectors small: of each, OUT_FOLDER holds which of many centroids is near, and the rest "
                   "as product-quantized bytes. Both are\n"
                   "learned from a sample. FOLDER holds documents.npy, (total_tokens, token_dim) or padded (documents, "
                   "tokens, token_dim), f2, f4 or u2 (the\n"
                   "bits of f16), and doclens.npy, how many tokens each document has. Written are doclens.npy, "
                   "centroids.npy, index_assignment.npy,\n"
                   "pq_centroids.npy and residuals.npy, and copies of queries.npy, query_doclens.npy and ids.npy if "
                   "they are there. FOLDER is read twice, in\n"
                   "bounded memory; files appear when all are complete. The same input and options give the same "
                   "bytes, whatever the threads.");
  TwoLevelChoices& training = choices.training;
  line.argument("FOLDER", choices.input);
  line.flag("two-level", choices.two_level, "what is described here");
  line.option("output,o", "OUT_FOLDER", "", "the folder to write, which is made if it is not there",
              [&](const std::string& text) { choices.output = text; });
  line.option("pq-subspaces", training.pq_subspaces,
              "pieces that the rest is cut into, and bytes that it takes; divides token_dim");
  line.option(
      "centroids", "N", "the power of two next below 16 sqrt(total_tokens), at most 65536",
      "how many: with more of them less is left for the second level, and the search for the nearest takes longer",
      [&](const std::string& text) {
        training.n_centroids = number<std::uint64_t>(text);
        if (training.n_centroids == 0) invalid_argument("0 given, expected 1 or more");
      });
  line.option("threads", training.num_threads, "0: all processors");
  add_force(line, training.replace);
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON");
  return line;
}

std::string summary(const TwoLevelSummary& made, const std::string& output, double seconds) {
  const auto percent = [](double share) { return fixed(100 * share, 2) + " %"; };
  return printable(output) + ": " + grouped(made.tokens) + " tokens of " + grouped(made.documents) +
         " documents, dim " + std::to_string(made.token_dim) + ", in two levels in " + fixed(seconds, 1) + " s\n" +
         "mean squared error, of the tokens' mean squared norm: " + percent(made.centroid_error) + " after " +
         grouped(made.n_centroids) + " centroids, " + percent(made.error) + " after " +
         std::to_string(made.pq_subspaces) + " bytes of the rest\n" +
         "bytes a token in an index: " + std::to_string(made.plain_bytes) + " as f16, " + std::to_string(made.bytes) +
         " in two levels\n";
}

std::string summary_json(const TwoLevelSummary& made, const std::string& output, double seconds) {
  return to_text({{"path", output},
                  {"documents", made.documents},
                  {"tokens", made.tokens},
                  {"token_dim", made.token_dim},
                  {"pq_subspaces", made.pq_subspaces},
                  {"n_centroids", made.n_centroids},
                  {"samples", made.samples},
                  {"centroid_error", made.centroid_error},
                  {"error", made.error},
                  {"plain_bytes_per_token", made.plain_bytes},
                  {"bytes_per_token", made.bytes},
                  {"seconds", seconds}});
}

}  // namespace

bool two_level_has(const std::string& option) {
  TrainChoices choices;
  return line_of(choices).has(option);
}

int build_two_level(const Words& words) {
  TrainChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  check_output(choices.output, "the folder to write");
  choices.training.progress = progress_bar(choices.quiet);
  const auto start = std::chrono::steady_clock::now();
  const TwoLevelSummary made = train_two_level(choices.input, choices.output, choices.training);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (choices.json) {
    print(summary_json(made, choices.output, seconds));
  } else if (!choices.quiet) {
    print(summary(made, choices.output, seconds));
  }
  return kOk;
}

}  // namespace cassata::tools
