// Documents through the public interface: builds of every kind, joins, copies.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/conformance/multivector_cases.h"
#include "tests/support/documents.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace cassata::documents_index_test {
namespace {

using namespace test;

constexpr std::size_t kRows = 300, kDim = 8;

Index build_with(const std::vector<std::string>& documents, BuildParams params, const std::filesystem::path& path = {},
                 bool text = true) {
  Random random(1);
  MemoryDocuments stream(documents, text);
  params.documents = &stream;
  return build(whole_vectors(random, kRows, kDim), params, path);
}

void expect_documents(const Index& index, const std::vector<std::string>& documents) {
  ASSERT_NE(index.documents(), nullptr);
  for (std::size_t row = 0; row < documents.size(); ++row)
    ASSERT_EQ(index.documents()->at(static_cast<Id>(row)), documents[row]) << row;
  index.verify();
}

TEST(DocumentsOfAnIndex, AreThoseOfTheRowsAsGiven) {
  const TempDir folder;
  Random random(2);
  const auto documents = random_documents(random, kRows, 300);
  for (const GraphType type : {GraphType::standard, GraphType::permuted}) {
    const BuildParams params{.schema = {.graph = type}, .graph = {.m = 8, .ef_construction = 40}, .num_threads = 1};
    const Index index = build_with(documents, params, folder / "index");
    ASSERT_NO_FATAL_FAILURE(expect_documents(index, documents));
    index.save(folder / "copy");
    ASSERT_NO_FATAL_FAILURE(expect_documents(Index::open(folder / "copy", {.verify = Verify::touched}), documents));
    EXPECT_EQ(index.manifest().provenance.inputs.back().name, "documents.txt");
    EXPECT_EQ(index.manifest().provenance.inputs.back().rows, kRows);
  }
}

TEST(DocumentsOfAnIndex, TheFileDoesNotDependOnTheNumberOfThreads) {
  const TempDir folder;
  Random random(3);
  const auto documents = random_documents(random, kRows, 300, false);
  BuildParams params{.graph = {.m = 8, .ef_construction = 40}, .num_threads = 1};
  build_with(documents, params, folder / "one", false);
  params.num_threads = 4;
  build_with(documents, params, folder / "many", false);
  EXPECT_EQ(read_file(folder / "one"), read_file(folder / "many"));
}

TEST(DocumentsOfAnIndex, AWrongNumberLeavesTheFormerFile) {
  const TempDir folder;
  Random random(4);
  const BuildParams params{.schema = {.kind = Kind::flat}};
  const auto documents = random_documents(random, kRows, 30);
  build_with(documents, params, folder / "index");
  const auto former = read_file(folder / "index");
  auto few = documents;
  few.pop_back();
  expect_error(Errc::invalid_argument, {"documents.txt: 299 documents, expected 300, one for each vector"},
               [&] { build_with(few, params, folder / "index"); });
  EXPECT_EQ(read_file(folder / "index"), former);
}

TEST(DocumentsOfAnIndex, AJoinKeepsThem) {
  Random random(5);
  const auto documents = random_documents(random, kRows, 300);
  const Index first = build_with(documents, {.graph = {.m = 8, .ef_construction = 40}, .num_threads = 1});
  const Index joined = join(first, random_tokens(random, kRows, 3, 2, 20, 9), TokenLayout::plain);
  ASSERT_NO_FATAL_FAILURE(expect_documents(joined, documents));
}

TEST(DocumentsOfAnIndex, AnIndexWithoutThemHasNone) {
  Random random(6);
  EXPECT_EQ(build(whole_vectors(random, kRows, kDim), {.schema = {.kind = Kind::flat}}).documents(), nullptr);
}

}  // namespace
}  // namespace cassata::documents_index_test
