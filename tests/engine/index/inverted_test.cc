// Indexes of inverted lists against a scan of the same vectors: exact ones answer the same, approximate ones where
// nothing is left out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cassata/index.h"
#include "engine/search/posting_search.h"
#include "format/file/mapped_file.h"
#include "format/file/sections.h"
#include "format/input/sparse_files.h"
#include "tests/support/random_case.h"
#include "tests/support/sparse_index.h"
#include "tests/support/temp_dir.h"

namespace cassata::inverted_test {
namespace {

using namespace test;

/// How the values of a collection are spread.
enum class Values { positive, mixed, whole, wide, tiny, huge, dominant, kCount };

float random_value(Random& random, Values values) {
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> share(0, 1);
  switch (values) {
    case Values::positive: return std::abs(normal(random));
    case Values::mixed: return normal(random);
    case Values::whole: return static_cast<float>(below(random, 5)) - 1;  // many ties, zeros among them
    case Values::wide: return std::exp(6 * normal(random));
    case Values::tiny: return 1e-14F * static_cast<float>(below(random, 1000));
    case Values::huge: return 1e17F * share(random);
    default: return below(random, 4) == 0 ? 1000 - share(random) : 0.1F * share(random);
  }
}

SparseVectors random_rows(Random& random, std::size_t n, std::size_t dim, std::size_t longest, Values values) {
  SparseVectors out = random_sparse(random, n, dim, longest);
  for (float& value : out.values) value = random_value(random, values);
  return out;
}

/// Makes about a fifth of the rows copies of others, and keeps the first.
SparseVectors with_copies(Random& random, const SparseVectors& rows) {
  SparseVectors out;
  for (std::size_t i = 0; i < rows.size(); ++i, out.end_row()) {
    const VectorView row = rows.view(i != 0 && below(random, 5) == 0 ? below(random, rows.size()) : i);
    for (std::size_t j = 0; j < row.values.size(); ++j) out.add(row.components[j], row.values[j]);
  }
  return out;
}

struct Case {
  std::size_t dim;
  SparseVectors rows, queries;
};

Case random_case(Random& random, Values values, Values query_values) {
  const std::size_t dim = 1 + below(random, below(random, 2) == 0 ? 30 : 2000),
                    n = 1 + below(random, below(random, 4) == 0 ? 2000 : 200);
  Case c{dim, {}, {}};
  c.rows = with_copies(random, random_rows(random, n, dim, std::min<std::size_t>(dim, 1 + below(random, 60)), values));
  c.queries = random_rows(random, 8, dim, std::min<std::size_t>(dim, 1 + below(random, 300)), query_values);
  return c;
}

/// The bound of a check that f16 can hold.
Values values_of(unsigned seed, Encoding encoding) {
  const auto values = static_cast<Values>(seed % static_cast<unsigned>(Values::kCount));
  return encoding == Encoding::sparse_f16 &&
                 (values == Values::huge || values == Values::wide || values == Values::tiny)
             ? Values::mixed
             : values;
}

/// The bytes of a section, which a search may change.
struct Copy {
  std::vector<std::byte> bytes;
  Copy(const MappedFile& file, std::string_view name) : name_(name) {
    const auto mapped = file.section(name).bytes;
    bytes.assign(mapped.begin(), mapped.end());
  }
  Section section() const { return {.file = "file", .name = name_, .bytes = bytes}; }

 private:
  std::string_view name_;
};

/// Scores nothing but overwrites the lists' directory, as another process may that writes into the file.
class Vandal final : public Scorer {
 public:
  explicit Vandal(std::vector<std::byte>& bytes) : bytes_(bytes) {}
  void bind(VectorView) override {}
  void bind(Id) override {}
  void score(std::span<const Id> ids, float* out) noexcept override {
    std::ranges::fill(bytes_, std::byte{0x5A});
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = -1e-6F;
  }
  void score_range(Id, std::size_t, float*) noexcept override {}

 private:
  std::vector<std::byte>& bytes_;
};

TEST(Postings, ADirectoryThatChangesDuringASearchLeadsItNowhere) {
  TempDir dir;
  Random random(1);
  const SparseVectors rows = random_rows(random, 3000, 40, 20, Values::positive);
  build(rows, {.schema = {.kind = Kind::flat, .first = {.encoding = Encoding::sparse_f32}}}, dir / "index");
  const auto mapped = MappedFile::open(dir / "index");
  const MappedFile& file = *mapped;
  const PostingsEntry& entry = *file.manifest().postings;
  const Copy lists(file, kListsSection), buckets(file, kBucketsSection);
  for (const bool exact : {true, false}) {
    Copy directory(file, kDirectorySection);
    const PostingLists opened(lists.section(), directory.section(), buckets.section(), entry.lists, entry.bucket_shift,
                              3000, 40);
    PostingSearch search(opened, {}, {});
    Vandal vandal(directory.bytes);
    std::vector<Candidate> best;
    search.find(rows.view(7), vandal, {.k = 10, .exact = exact, .candidates = 100}, best);
    EXPECT_EQ(best.size(), 10u);
  }
}

TEST(PostingsIndex, ExactAnswersAreThoseOfAScan) {
  for (unsigned seed = 0; seed < 280; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Encoding encoding = below(random, 2) == 0 ? Encoding::sparse_f16 : Encoding::sparse_f32;
    const Values values = values_of(seed, encoding),
                 query_values = static_cast<Values>(below(random, static_cast<std::size_t>(Values::kCount)));
    const Case c = random_case(random, values, query_values);
    const Index index =
        build(c.rows, {.schema = {.kind = Kind::flat, .metric = Metric::dot_product, .first = {.encoding = encoding}}});
    ASSERT_NO_THROW(index.verify());
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, c.rows.size(), c.rows.size() + 5}) {
      const SearchParams params{.k = k, .num_threads = 1};
      const Answers expected = ask(index, c.queries, params, &Index::search_exact);
      for (int again = 0; again < 2; ++again) {
        SCOPED_TRACE("k " + std::to_string(k) + " of " + std::to_string(c.rows.size()));
        const Answers found = ask(index, c.queries, params, &Index::search);
        ASSERT_EQ(found.scores, expected.scores);
        ASSERT_EQ(found.ids, expected.ids);
      }
    }
  }
}

TEST(PostingsIndex, ApproximateAnswersAreExactWhereNothingIsLeftOut) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Case c = random_case(random, Values::positive, Values::positive);
    const Index index = build(
        c.rows,
        {.schema = {.kind = Kind::postings, .metric = Metric::dot_product, .first = {.encoding = Encoding::sparse_f32}},
         .lists = {.n_postings = 0, .summary_energy = 1, .n_knn = static_cast<std::uint32_t>(below(random, 4))}});
    ASSERT_NO_THROW(index.verify());
    const SearchParams params{
        .k = 10, .ef_search = c.rows.size() + 10, .query_cut = 0, .heap_factor = 0, .num_threads = 1};
    const Answers found = ask(index, c.queries, params, &Index::search),
                  expected = ask(index, c.queries, params, &Index::search_exact);
    for (std::size_t i = 0; i < expected.ids.size(); ++i) {
      if (expected.scores[i] <= 0) continue;  // rows that no list leads to may be missing
      ASSERT_EQ(found.ids[i], expected.ids[i]) << "place " << i;
      ASSERT_EQ(found.scores[i], expected.scores[i]) << "place " << i;
    }
  }
}

TEST(PostingsIndex, AnyNumberOfThreadsMaySearchAtOnce) {
  Random random(1);
  const SparseVectors rows = random_rows(random, 1500, 200, 40, Values::mixed),
                      queries = random_rows(random, 40, 200, 40, Values::positive);
  for (const Kind kind : {Kind::flat, Kind::postings}) {
    const Index index = build(
        rows, {.schema = {.kind = kind, .metric = Metric::dot_product, .first = {.encoding = Encoding::sparse_f32}}});
    const SearchParams params{.k = 10, .num_threads = 2};
    const Answers expected = ask(index, queries, {.k = 10, .num_threads = 1}, &Index::search);
    std::vector<Answers> found(4);
    std::vector<std::thread> threads;
    for (Answers& answers : found) threads.emplace_back([&] { answers = ask(index, queries, params, &Index::search); });
    for (std::thread& thread : threads) thread.join();
    for (const Answers& answers : found) EXPECT_EQ(answers, expected);
  }
}

}  // namespace
}  // namespace cassata::inverted_test
