// Graphs in pages: what stands in them, what walks over them find, and that pages of any bytes are survived.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "cassata/stream.h"
#include "engine/graph/adjacency.h"
#include "engine/graph/page_store.h"
#include "engine/graph/row_order.h"
#include "format/file/sections.h"
#include "tests/conformance/good_pages.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/random_case.h"
#include "tests/support/rehash.h"
#include "tests/support/temp_dir.h"

namespace cassata::hnsw_paged_test {
namespace {

using namespace test;

/// Codes so long that a page holds few rows, and links to others.
constexpr std::size_t kRows = 300, kDim = 700;

BuildParams paged(Metric metric = Metric::dot_product, Encoding navigation = Encoding::dense_int4) {
  return {.schema = {.kind = Kind::graph,
                     .metric = metric,
                     .first = {.encoding = navigation,
                               .code = {.bits = navigation == Encoding::rabitq ? 2U : 0U},
                               .role = Role::traversal},
                     .second = Stage{.encoding = Encoding::f32, .role = Role::rerank},
                     .graph = GraphType::paged},
          .graph = {.m = 6, .ef_construction = 40},
          .num_threads = 1};
}

Index build_index(const Vectors& vectors, const BuildParams& params, const std::filesystem::path& path) {
  const auto stream =
      memory_stream("vectors.npy", vectors.values.data(), vectors.size(), vectors.dim, ElementType::f32);
  return Index::build(*stream, params, path);
}

std::vector<std::int64_t> ask(const Index& index, const Vectors& queries, const SearchParams& params,
                              std::vector<float>* scores = nullptr) {
  std::vector<std::int64_t> ids(queries.size() * params.k);
  std::vector<float> places(ids.size());
  index.search(queries.matrix(), params, {ids, places});
  if (scores != nullptr) *scores = places;
  return ids;
}

Pages pages_of(const Index& index, std::size_t own_bytes, std::size_t link_bytes) {
  const GraphEntry& graph = *index.manifest().graph;
  return {index.file().section(kPagesSection),
          index.file().section(kPageRowsSection),
          {.page_bytes = graph.page_bytes, .own_bytes = own_bytes, .link_bytes = link_bytes},
          index.size(),
          2 * graph.m};
}

constexpr std::size_t kOwnBytes = 12 + (kDim / 2 + 15) / 16 * 16, kLinkBytes = 12 + (kDim / 8 + 15) / 16 * 16;

TEST(Paged, RowsStandInPagesAndTheirNeighboursBesideThem) {
  const TempDir folder;
  Random random(1);
  const Vectors vectors = clustered_vectors(random, kRows, kDim, 20);
  BuildParams params = paged();
  const Index index = build_index(vectors, params, folder / "paged");
  params.schema.graph = GraphType::permuted;
  const Index plain = build_index(vectors, params, folder / "permuted");
  /// Neighbours by id, which do not depend on how they are stored.
  const auto ids = [](const Index& of) { return Permutation(of.file().section(kIdsSection), of.size()); };
  const Section edges = plain.file().section("graph.edges");
  const RowAdjacency lists(edges, kRows, 12);
  std::map<Id, std::set<Id>> expected;
  std::vector<Id> scratch(lists.list_capacity());
  for (Id row = 0; row < kRows; ++row)
    for (const Id to : lists.neighbors(row, scratch.data()))
      if (to < kRows) expected[ids(plain).id(row)].insert(ids(plain).id(to));
  const Pages pages = pages_of(index, kOwnBytes, kLinkBytes);
  std::size_t met = 0, links = 0;
  for (std::uint32_t number = 0; number < pages.count(); ++number) {
    const Page page = pages.page(number);
    ASSERT_GT(page.rows(), 0u);
    std::set<Id> here;
    for (std::size_t i = 0; i < page.rows(); ++i) {
      EXPECT_EQ(pages.page_of(static_cast<Id>(page.first() + i)), number);
      here.insert(ids(index).id(static_cast<Id>(page.first() + i)));
    }
    for (std::size_t i = 0; i < page.rows(); ++i, ++met) {
      std::set<Id> others = expected[ids(index).id(static_cast<Id>(page.first() + i))], found;
      for (const Id one : here) others.erase(one);
      for (std::size_t s = page.slot_begin(i); s < page.slot_begin(i + 1); ++s)
        found.insert(ids(index).id(page.link(page.slot(s))));
      EXPECT_EQ(found, others);
      links += found.size();
    }
  }
  EXPECT_EQ(met, kRows);
  EXPECT_GT(links, kRows);
  EXPECT_GT(kRows, pages.count() * 3 / 2);  // that rows share pages is what they are for
  index.verify();
}

TEST(Paged, AnswersAreThoseOfAnExactSearchBeyondSmallWalks) {
  const TempDir folder;
  for (const Metric metric : {Metric::dot_product, Metric::euclidean})
    for (const Encoding navigation : {Encoding::dense_int4, Encoding::dense_int8, Encoding::rabitq}) {
      SCOPED_TRACE(std::string(name_of(metric)) + " " + std::string(name_of(navigation)));
      Random random(2);
      const Vectors vectors = clustered_vectors(random, 2000, 48, 20), queries = clustered_vectors(random, 40, 48, 20);
      const Index index = build_index(vectors, paged(metric, navigation), folder / "index");
      std::vector<float> scores, exact_scores(400);
      std::vector<std::int64_t> exact(400);
      index.search_exact(queries.matrix(), {.k = 10}, {exact, exact_scores});
      const auto found = ask(index, queries, {.k = 10, .ef_search = 250}, &scores);
      std::size_t hits = 0;
      for (std::size_t q = 0; q < 40; ++q)
        for (std::size_t i = 0; i < 10; ++i) {
          const auto begin = exact.begin() + static_cast<std::ptrdiff_t>(q * 10);
          const auto place = std::find(begin, begin + 10, found[q * 10 + i]);
          if (place == begin + 10) continue;
          ++hits;
          EXPECT_EQ(scores[q * 10 + i], exact_scores[static_cast<std::size_t>(place - exact.begin())]);
        }
      EXPECT_GT(hits, 380u);
      for (const unsigned threads : {2U, 3U})
        EXPECT_EQ(ask(index, queries, {.k = 10, .ef_search = 250, .num_threads = threads}), found);
    }
}

TEST(Paged, AWiderWalkFindsMore) {
  const TempDir folder;
  Random random(3);
  const Vectors vectors = clustered_vectors(random, 3000, 64, 20), queries = clustered_vectors(random, 50, 64, 20);
  const Index index = build_index(vectors, paged(), folder / "index");
  std::vector<std::int64_t> exact(500);
  std::vector<float> scores(500);
  index.search_exact(queries.matrix(), {.k = 10}, {exact, scores});
  std::size_t before = 0;
  for (const std::size_t ef : {10, 60, 400}) {
    const auto found = ask(index, queries, {.k = 10, .ef_search = ef});
    std::size_t hits = 0;
    for (std::size_t q = 0; q < 50; ++q)
      for (std::size_t i = 0; i < 10; ++i)
        hits += std::count(exact.begin() + static_cast<std::ptrdiff_t>(q * 10),
                           exact.begin() + static_cast<std::ptrdiff_t>(q * 10 + 10), found[q * 10 + i]) != 0;
    EXPECT_GT(hits, before);
    before = hits;
  }
  EXPECT_GT(before, 480u);
}

TEST(Paged, FewVectorsNeedNoUpperLevels) {
  const TempDir folder;
  Random random(4);
  for (const std::size_t rows : {1, 2, 7, 40}) {
    SCOPED_TRACE(rows);
    const Vectors vectors = clustered_vectors(random, rows, 20, 20), queries = clustered_vectors(random, 5, 20, 20);
    const Index index = build_index(vectors, paged(), folder / "index");
    index.verify();
    const std::size_t k = std::max<std::size_t>(1, rows / 4);
    EXPECT_EQ(ask(index, queries, {.k = k, .ef_search = k}).size(), 5 * k);
    std::vector<std::int64_t> exact(5 * rows);
    std::vector<float> scores(5 * rows);
    index.search_exact(queries.matrix(), {.k = rows}, {exact, scores});
    EXPECT_EQ(ask(index, queries, {.k = rows}), exact);
  }
}

TEST(Paged, RefusesWhatMakesNoSense) {
  const TempDir folder;
  Random random(5);
  const Vectors vectors = clustered_vectors(random, 20, 8, 20);
  BuildParams params = paged();
  params.schema.first.role = Role::search;
  expect_error(Errc::invalid_argument, {"graph_type 'paged'", "navigation"},
               [&] { build_index(vectors, params, folder / "index"); });
  params.schema.second.reset();
  params.schema.first.encoding = Encoding::f32;
  expect_error(Errc::invalid_argument, {"graph_type 'paged'", "navigation"},
               [&] { build_index(vectors, params, folder / "index"); });
}

TEST(Paged, PagesOfAnyBytesAreSurvivedAndFound) {
  const TempDir folder;
  Random random(6);
  const Vectors vectors = clustered_vectors(random, kRows, kDim, 20), queries = clustered_vectors(random, 3, kDim, 20);
  const Bytes whole = [&] {
    build_index(vectors, paged(), folder / "index");
    return read_file(folder / "index");
  }();
  const std::vector<SectionEntry> sections = Index::open(folder / "index").manifest().sections;
  std::size_t found = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random changes(seed);
    Bytes crafted = whole;
    for (const SectionEntry& s : sections) {
      const bool of_pages = s.name == kPagesSection || s.name == kPageRowsSection || s.name == kUpperCodesSection;
      if (s.name == "rerank.rows" || s.length < 4 || changes() % 2 || (seed % 2 == 0 && !of_pages)) continue;
      for (std::size_t n = 1 + below(changes, 60); n > 0; --n) {
        // The heads of pages and the tables, whose numbers lead elsewhere, more than codes; numbers that are nearly
        // right, and any.
        const std::uint64_t page = s.name == kPagesSection ? below(changes, s.length / 4096) * 4096 : 0;
        const std::uint64_t at =
            page + below(changes, std::min<std::uint64_t>(s.length - page, changes() % 3 ? 120 : 4096) / 2) * 2;
        const auto number = static_cast<std::uint16_t>(changes() % 2 ? below(changes, kRows + 10) : changes());
        if (at + 2 <= s.length) std::memcpy(crafted.data() + s.offset + at, &number, 2);
      }
    }
    write_file(folder / "crafted", with_section_hashes(crafted));
    const Index index = Index::open(folder / "crafted");
    for (const std::size_t ef : {1, 20, 100}) {
      std::vector<std::int64_t> ids(9);
      std::vector<float> scores(9);
      try {
        index.search(queries.matrix(), {.k = 3, .ef_search = ef}, {ids, scores});
        for (const std::int64_t id : ids) ASSERT_TRUE(id >= -1 && id < static_cast<std::int64_t>(kRows));
        for (const float score : scores) ASSERT_FALSE(std::isnan(score));
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), Errc::corrupt) << e.what();
        ASSERT_NE(std::string(e.what()).find("section 'ids'"), std::string::npos) << e.what();
      }
    }
    if (seed % 2 == 0 && good_pages(index)) {
      index.verify();
      continue;
    }
    if (seed % 2 == 0) expect_error(Errc::corrupt, {"section 'graph."}, [&] { index.verify(); });
    ++found;
  }
  EXPECT_GT(found, 250u);  // and not all were as good as before
}

TEST(Paged, EachFaultOfAPageIsFound) {
  const TempDir folder;
  Random random(7);
  const Vectors vectors = clustered_vectors(random, kRows, kDim, 20);
  build_index(vectors, paged(), folder / "index");
  const Bytes whole = read_file(folder / "index");
  const Index index = Index::open(folder / "index");
  const Pages pages = pages_of(index, kOwnBytes, kLinkBytes);
  std::uint32_t number = 0;
  while (pages.page(number).links() < 4 || pages.page(number).rows() < 2) ++number;
  const Page page = pages.page(number);
  const Section section = index.file().section(kPagesSection);
  const std::uint64_t begin = section.offset + number * 4096ULL;
  const std::uint64_t link_rows = begin + PageShape::head_bytes(page.rows(), page.slots());
  const auto craft = [&](std::uint64_t at, auto value, const std::string& what) {
    SCOPED_TRACE(what);
    Bytes crafted = whole;
    std::memcpy(crafted.data() + at, &value, sizeof value);
    write_file(folder / "crafted", with_section_hashes(crafted));
    const Index damaged = Index::open(folder / "crafted");
    expect_error(Errc::corrupt, {"section '", what}, [&] { damaged.verify(); });
  };
  craft(begin, std::uint16_t{60000}, "do not fit");
  craft(begin + 2, std::uint16_t{60000}, "slots 0 to ");
  craft(begin + 2 * (1 + page.rows()), std::uint16_t(page.links()), "a slot of row");
  craft(link_rows, Id{kRows}, "link 0 to row 300");
  craft(link_rows, page.first(), "link 0 to row " + std::to_string(page.first()));
  craft(link_rows + 4, page.link(0), "link 1 to row");
  craft(begin + 4095, std::uint8_t{1}, "padding");
  craft(section.offset + pages.own_code_at(page, 1), std::numeric_limits<float>::quiet_NaN(), "a NaN or an infinity");
  craft(section.offset + pages.link_code_at(page, 1) + 13,
        std::uint8_t(~std::to_integer<unsigned>(whole[section.offset + pages.link_code_at(page, 1) + 13])),
        "differs from another code of that row");
  const Section rows = index.file().section(kPageRowsSection);
  craft(rows.offset, Id{1}, "row 1, expected ascending rows from 0");
  craft(rows.offset + 4, Id{kRows + 1}, "expected ascending rows from 0");
  craft(rows.offset + pages.count() * 4, Id{kRows - 1}, "expected");
  const auto misstate = [&](const std::function<void(Manifest&)>& change, const std::string& what) {
    SCOPED_TRACE(what);
    write_file(folder / "crafted", with_manifest(whole, change));
    expect_error(Errc::corrupt, {what}, [&] { Index::open(folder / "crafted"); });
  };
  misstate([](Manifest& m) { m.graph->page_bytes = 0; }, "pages of 0 bytes");
  misstate([](Manifest& m) { m.graph->page_bytes = 6000; }, "pages of 6000 bytes");
  misstate([](Manifest& m) { m.graph->page_bytes = 1U << 20; }, "expected pages of 1048576");
  misstate([](Manifest& m) { m.graph->links.reset(); }, "without an entry for its links");
  misstate([](Manifest& m) { m.graph->links->encoding = Encoding::f32; }, "rows in pages in encoding 'f32'");
  misstate([](Manifest& m) { m.graph->links->code.bits = 2; }, "bytes, expected");
  misstate([](Manifest& m) { m.schema.graph = GraphType::permuted; }, "bytes, expected");
}

}  // namespace
}  // namespace cassata::hnsw_paged_test
