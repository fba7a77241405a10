// cassata build --two-level: compresses plain token vectors to two-level tokens.
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
                   "Compresses token vectors: for each token, OUT_FOLDER holds the number of a near centroid and the "
                   "product-quantized residual. Centroids\n"
                   "and codebooks are trained on a sample. FOLDER holds documents.npy, (total_tokens, token_dim) or "
                   "padded (documents, tokens, token_dim),\n"
                   "f2, f4 or u2 (the bits of f16), and doclens.npy, the number of tokens of each document. The "
                   "command writes doclens.npy, centroids.npy,\n"
                   "index_assignment.npy, pq_centroids.npy and residuals.npy, and copies queries.npy, "
                   "query_doclens.npy and ids.npy if present. FOLDER is\n"
                   "read twice, in bounded memory; files appear when all are complete. The same input and options give "
                   "the same bytes on any number of threads.");
  line.argument("FOLDER", choices.input);
  line.flag("two-level", choices.two_level, "compress token vectors, as described above");
  line.option("output,o", "OUT_FOLDER", "", "the folder to write; it is created if needed",
              [&](const std::string& text) { choices.output = text; });
  line.parameters(two_level_parameters(), choices.training);
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON");
  return line;
}

std::string summary(const TwoLevelSummary& made, const std::string& output, double seconds) {
  const auto percent = [](double share) { return fixed(100 * share, 2) + " %"; };
  return printable(output) + ": " + grouped(made.tokens) + " tokens of " + grouped(made.documents) +
         " documents, dim " + std::to_string(made.token_dim) + ", in two levels in " + fixed(seconds, 1) + " s\n" +
         "mean squared error, as a share of the tokens' mean squared norm: " + percent(made.centroid_error) + " with " +
         grouped(made.n_centroids) + " centroids, " + percent(made.error) + " with " +
         std::to_string(made.pq_subspaces) + " bytes of residual\n" +
         "bytes per token in an index: " + std::to_string(made.plain_bytes) + " as f16, " + std::to_string(made.bytes) +
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
  choices.training.replace = replacing(choices.training.replace.overwrite);
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
