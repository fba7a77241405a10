// cassata build: a file of vectors becomes an index file.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "cassata/index.h"
#include "cassata/parameters.h"
#include "tools/build_input.h"
#include "tools/build_report.h"
#include "tools/command.h"
#include "tools/document_files.h"
#include "tools/payload_files.h"
#include "tools/terminal.h"
#include "tools/vectors.h"

namespace cassata::tools {
namespace {

struct BuildChoices {
  std::string input, output;
  FilterChoices filter;
  PayloadFiles payload;
  DocumentFile documents;
  bool quiet = false, json = false;
  Given<BuildParams> given{build_parameters()};
};

/// --layout paged, the former name of --graph-type paged.
void choose_layout(const std::string& text, Given<BuildParams>& given) {
  if (text != "paged")
    invalid_argument(cassata::quoted(text) + " given, expected 'paged' (layouts of tokens need --multivec)");
  const Value former = given.value("graph_type"), paged = std::string("paged");
  if (former.index() != 0 && former != Value(std::string("permuted")) && former != paged)
    invalid_argument("'paged' given with --graph-type " + value_text(former));
  given.give("graph_type", paged);
}

CommandLine line_of(BuildChoices& choices) {
  CommandLine line("build INPUT -o OUTPUT [OPTIONS]",
                   "Builds an index file from a file of vectors: .npy (2-D, C order, little-endian), .fvecs, .bvecs, "
                   ".fbin, .u8bin or .i8bin;\n"
                   "sparse vectors: .bin (u32 n; for each vector u32 nnz, nnz u32 components in ascending order, nnz "
                   "f32 values; little-endian), or .npz\n"
                   "as scipy.sparse.save_npz writes it; or an index file, whose vectors, ids, fields, documents and "
                   "metric are taken unless other ones are given.\n"
                   "INPUT is streamed: memory holds the graph, a chunk of vectors and the training samples of trained "
                   "encodings. OUTPUT appears when it is\n"
                   "complete; a former file of that name stays until then. The same input and parameters give the same "
                   "bytes on any number of threads.\n"
                   "To let the command choose the parameters, run 'cassata build INPUT -o OUTPUT --target-recall "
                   "0.95'; see 'cassata build --target-recall --help'.\n"
                   "To join an index and token vectors, see 'cassata build --multivec --help'; to compress token "
                   "vectors, 'cassata build --two-level --help'.");
  line.argument("INPUT", choices.input);
  line.option("output,o", "FILE", "", "the index file to write",
              [&](const std::string& text) { choices.output = text; });
  line.parameters(build_parameters(), choices.given);
  add_filter(line, choices.filter, "vectors of an INPUT that is an index meet to be taken",
             "vectors of an INPUT that is an index have to be taken");
  add_payload(line, choices.payload);
  add_documents(line, choices.documents);
  line.option("layout", "NAME", "", "paged: the same as --graph-type paged",
              [&](const std::string& text) { choose_layout(text, choices.given); });
  line.flag("quiet,q", choices.quiet, "print nothing but errors");
  line.flag("json", choices.json, "print the summary as JSON");
  return line;
}

int build_plainly(const Words& words) {
  BuildChoices choices;
  if (!line_of(choices).parse(words)) return kOk;
  const BuildInput input(choices.input, choices.filter);
  input.complete(choices.given);
  BuildParams params = build_params(choices.given, input.vector_kind());
  params.replace = replacing(params.replace.overwrite);
  check_output_file(choices.output);
  refuse_overwriting(choices.output, {choices.input, choices.filter.ids, choices.payload.ids, choices.payload.fields,
                                      choices.documents.path});
  const Payload payload = input.payload(choices.payload);
  params.payload = &payload;
  const std::unique_ptr<DocumentStream> documents = input.documents(choices.documents);
  params.documents = documents.get();
  build_and_report(input, params, choices.output, {.quiet = choices.quiet, .json = choices.json});
  return kOk;
}

/// A form of the command, selected by an option.
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

/// For an option that form `way` lacks: throws an error that names the forms that have it. Returns if none has it.
void name_forms_with(const std::string& option, const Way& way) {
  if (&way != &kPlain && kPlain.has(option))
    invalid_argument(option + ": given, unsupported with " + std::string(way.option));
  std::string places;
  for (const Way& other : kOthers)
    if (other.has(option)) places += (places.empty() ? "" : " or ") + std::string(other.option);
  if (!places.empty()) invalid_argument(option + ": given, expected only with " + places);
}

}  // namespace

int build(const Words& words) {
  const Way* way = &kPlain;
  for (const Way& other : kOthers)
    if (way == &kPlain &&
        std::ranges::any_of(words, [&](const std::string& word) { return word.starts_with(other.option); }))
      way = &other;
  try {
    return way->run(words);
  } catch (const UnknownOption& error) {
    name_forms_with(error.option(), *way);
    throw;
  }
}

}  // namespace cassata::tools
