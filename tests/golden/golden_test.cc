// Every golden file opens, verifies and answers as when it was written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "cassata/index.h"
#include "cassata/payload.h"
#include "tests/golden/golden_documents.h"
#include "tests/golden/golden_payload.h"
#include "tests/support/metric_definition.h"

namespace cassata::golden_test {
namespace {

namespace fs = std::filesystem;
using test::exact_on_whole_numbers;

/// A line of an .answers file, whose form is in make_golden.cc.
struct Answer {
  std::vector<float> query, tokens;
  std::vector<std::int64_t> ids;
  std::vector<float> scores;
};

Answer parse(const std::string& line) {
  Answer answer;
  const std::string asked = line.substr(0, line.find('|'));
  const std::size_t end = std::min(asked.find(';'), asked.size());
  std::istringstream query(asked.substr(0, end)), tokens(asked.substr(std::min(end + 1, asked.size()))),
      results(line.substr(asked.size() + 1));
  for (float value = 0; query >> value;) answer.query.push_back(value);
  for (float value = 0; tokens >> value;) answer.tokens.push_back(value);
  char colon = 0;
  float score = 0;
  for (std::int64_t id = 0; results >> id >> colon >> score;) {
    answer.ids.push_back(id);
    answer.scores.push_back(score);
  }
  return answer;
}

std::vector<Answer> answers_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Answer> answers;
  for (std::string line; std::getline(file, line);) answers.push_back(parse(line));
  return answers;
}

class Golden : public ::testing::TestWithParam<fs::path> {};

TEST_P(Golden, AnswersAsWhenItWasWritten) {
  const Index index = Index::open(GetParam(), {.verify = Verify::all});
  const auto answers = answers_of(fs::path(GetParam()).replace_extension(".answers"));
  ASSERT_FALSE(answers.empty());
  for (const Answer& answer : answers) {
    ASSERT_FALSE(answer.ids.empty());
    std::vector<std::int64_t> ids(answer.ids.size());
    std::vector<float> scores(answer.ids.size());
    std::vector<std::uint32_t> components(answer.query.size());
    std::iota(components.begin(), components.end(), 0u);
    const std::uint64_t offsets[] = {0, answer.query.size()};
    Batch query = {answer.query.data(), 1, answer.query.size()};
    if (index.manifest().schema.vector_kind == VectorKind::sparse)
      query.components = components.data(), query.offsets = offsets;
    const std::uint64_t token_offsets[] = {0, answer.tokens.size() / std::max<std::size_t>(index.token_dim(), 1)};
    if (index.token_dim() != 0)
      query.tokens = {.data = answer.tokens.data(), .dim = index.token_dim(), .offsets = token_offsets};
    const auto all = static_cast<std::size_t>(index.size());
    const bool duplicates = index.manifest().graph &&
                            index.manifest().graph->duplicates != 0;  // then a walk may keep all nodes, which are few
    const SearchParams params = {.k = ids.size(), .ef_search = duplicates ? all / 2 - 10 : all, .k_candidates = all};
    const Stage &first = index.manifest().schema.first, &last = index.manifest().schema.last();
    const bool exact = exact_on_whole_numbers(index.manifest().schema.metric);
    const double inexact = first.code.rotated || last.code.bits != 0 || !exact ? 1e-4 : 0;
    for (const auto search : {&Index::search_exact, &Index::search}) {
      (index.*search)(query, params, {ids, scores});
      EXPECT_EQ(ids, answer.ids);
      for (std::size_t i = 0; i < scores.size(); ++i)
        EXPECT_NEAR(scores[i], answer.scores[i], inexact) << "place " << i;
    }
  }
}

TEST_P(Golden, HoldsItsDocuments) {
  const Index index = Index::open(GetParam());
  const bool expected = GetParam().stem().string().find("documents") != std::string::npos;
  ASSERT_EQ(index.documents() != nullptr, expected);
  for (Id row = 0; expected && row < index.size(); ++row)
    EXPECT_EQ(index.documents()->at(row), test::golden_document(row)) << row;
}

/// `column` as it is read: nothing in rows without a value, and tags in order, each once.
std::vector<std::string> shown(const Column& column) {
  std::vector<std::string> rows;
  for (std::size_t row = 0; row < column.size(); ++row) {
    std::set<std::string> texts;
    if (column.has(row))
      std::visit(
          [&](const auto& values) {
            using T = std::remove_cvref_t<decltype(values)>;
            if constexpr (std::is_same_v<T, Bitmap>)
              texts.insert(values.test(row) ? "true" : "false");
            else if constexpr (std::is_same_v<T, Timestamps>)
              texts.insert(std::to_string(values.values[row]) + std::string(name_of(values.unit)));
            else if constexpr (std::is_same_v<T, Texts>)
              texts.emplace(values[row]);
            else if constexpr (std::is_same_v<T, TextLists>)
              for (std::size_t i = values.begin(row); i < values.end(row); ++i) texts.emplace(values.texts[i]);
            else
              texts.insert(std::to_string(values[row]));
          },
          column.values);
    std::string& out = rows.emplace_back(column.has(row) ? "" : "null");
    for (const std::string& text : texts) out += "[" + text + "]";
  }
  return rows;
}

TEST_P(Golden, HasThePayloadThatWasWritten) {
  const Index index = Index::open(GetParam());
  const bool has = GetParam().string().find("-fields-") != std::string::npos;
  ASSERT_EQ(index.external_ids() != nullptr, has);
  ASSERT_EQ(index.fields().entries().size(), has ? 6U : 0U);
  if (!has) return;
  const Payload expected = test::golden_payload(index.external_ids()->type(), index.size());
  for (Id row = 0; row < index.size(); ++row) {
    const ExternalId id = std::visit([&](const auto& ids) { return ExternalId(ids[row]); }, *expected.ids);
    EXPECT_EQ(index.external_ids()->at(row), id);
    EXPECT_EQ(index.external_ids()->row_of(id), row);
  }
  for (std::size_t i = 0; i < expected.fields.size(); ++i)
    EXPECT_EQ(shown(index.fields().column(i)), shown(expected.fields[i]));
}

std::vector<fs::path> golden_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(CASSATA_GOLDEN_FOLDER))
    if (entry.path().extension() == ".cassata") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::string name_of_case(const ::testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::ValuesIn(golden_files()), name_of_case);

}  // namespace
}  // namespace cassata::golden_test
