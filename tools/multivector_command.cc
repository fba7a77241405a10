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

CommandLine line_of(MultivectorChoices& choices) {
  CommandLine line("build INDEX --multivec FOLDER -o OUTPUT [OPTIONS]",
                   "Joins an index of documents and the token vectors of these documents in one new file, which needs "
                   "neither input. A search finds\n"
                   "candidates by INDEX, and scores them again by MaxSim of their tokens. INDEX is a graph over one "
                   "vector per document, sparse or dense,\n"
                   "with metric dotproduct or cosine and one stage. FOLDER holds\n"
                   "  doclens.npy        number of tokens of each document, (documents,) i4 or i8, and either\n"
                   "  documents.npy      (tokens, token_dim) f2, f4 or u2 (the bits of f2), or (documents, tokens, "
                   "token_dim) with padding; or\n"
                   "  centroids.npy, index_assignment.npy, pq_centroids.npy, residuals.npy   as 'cassata build "
                   "--two-level' writes them.\n"
                   "Documents have the order of the vectors that INDEX was built from. Tokens are streamed: memory "
                   "does not grow with their number.");
  line.argument("INDEX", choices.input);
  line.option("multivec", "FOLDER", "", "the folder of token vectors",
              [&](const std::string& text) { choices.folder = text; });
  line.option("output,o", "FILE", "", "the index file to write",
              [&](const std::string& text) { choices.output = text; });
  line.parameters(join_parameters(), choices.tokens);
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
  check_output_file(choices.output);
  choices.tokens.replace = replacing(choices.tokens.replace.overwrite);
  build_and_report(
      [&](const Progress& progress) {
        choices.tokens.progress = progress;
        return Index::join(Index::open(choices.input), choices.folder, choices.tokens, choices.output);
      },
      {.quiet = choices.quiet, .json = choices.json});
  return kOk;
}

}  // namespace cassata::tools
