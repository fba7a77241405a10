// cassata build --multivec: an index of documents and their token vectors become one file.
#include <algorithm>
#include <optional>
#include <string>

#include "cassata/index.h"
#include "tools/build_report.h"
#include "tools/command.h"

namespace cassata::tools {
namespace {

struct MultivectorChoices {
  std::string input, folder, output;
  bool quiet = false, json = false;
  TokenChoices tokens;
};

TokenLayout parse_layout(const std::string& text) {
  if (text == "plain") return TokenLayout::plain;
  if (text == "two-level") return TokenLayout::two_level;
  invalid_argument(tools::quoted(text) + " given, expected plain or two-level");
}

CommandLine line_of(MultivectorChoices& choices) {
  CommandLine line("build INDEX --multivec FOLDER -o OUTPUT [OPTIONS]",
                   "Puts token vectors beside an index of their documents, in one file that needs neither any more: "
                   "what a search by INDEX finds is scored\n"
                   "again by MaxSim of the tokens. INDEX is a graph over one vector a document, sparse or dense, with "
                   "the metric dotproduct. FOLDER holds\n"
                   "  doclens.npy        tokens of each document, (documents,) i4 or i8, and either\n"
                   "  documents.npy      (tokens, token_dim) f2, f4 or u2 (the bits of f2), or (documents, tokens, "
                   "token_dim) with padding; or\n"
                   "  centroids.npy, index_assignment.npy, pq_centroids.npy, residuals.npy   as 'cassata build "
                   "--two-level' writes them.\n"
                   "Documents stand in the order of the vectors that INDEX was built from. Tokens are streamed: memory "
                   "does not grow with them.");
  line.argument("INDEX", choices.input);
  line.option("multivec", "FOLDER", "", "the folder of token vectors",
              [&](const std::string& text) { choices.folder = text; });
  line.option("output,o", "FILE", "", "the index file to write",
              [&](const std::string& text) { choices.output = text; });
  line.option("layout", "NAME", "",
              "of a FOLDER that holds both: plain (documents.npy) or two-level (the coded tokens)",
              [&](const std::string& text) { choices.tokens.layout = parse_layout(text); });
  line.option("pq-subspaces", "N", "", "of coded tokens, pieces of the residuals, which the files must agree with",
              [&](const std::string& text) { choices.tokens.pq_subspaces = number<std::size_t>(text); });
  line.option(
      "ids", "FILE", "",
      "what the vectors of INDEX are called, a .npy file of numbers or text, to be compared with ids.npy in FOLDER",
      [&](const std::string& text) { choices.tokens.ids = text; });
  add_force(line, choices.tokens.replace);
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON");
  return line;
}

}  // namespace

bool multivector_has(const std::string& option) {
  MultivectorChoices choices;
  return line_of(choices).has(option);
}

int build_multivector(const Words& words) {
  MultivectorChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  check_output(choices.output, "the index file to write");
  build_and_tell(
      [&](const Progress& progress) {
        choices.tokens.progress = progress;
        return Index::join(Index::open(choices.input), choices.folder, choices.tokens, choices.output);
      },
      {.quiet = choices.quiet, .json = choices.json});
  return kOk;
}

}  // namespace cassata::tools
