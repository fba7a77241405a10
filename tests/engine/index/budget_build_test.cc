// Builds within a memory budget: the index is as good, the same bytes whatever the threads and the interruptions, and
// what is refused.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "cassata/payload.h"
#include "engine/build/graph_log.h"
#include "engine/build/region_build.h"
#include "format/base/text.h"
#include "format/os/memory.h"
#include "tests/conformance/cases.h"
#include "tests/support/child.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace cassata::budget_build_test {
namespace {

using namespace test;

constexpr std::size_t kSize = 2200;  // regions have 1,024 vectors where the budget is the least

BuildParams bounded(BuildParams params, std::size_t size = kSize) {
  const bool sparse = row_of(params.schema.first.encoding).vector_kind == VectorKind::sparse;
  params.memory_budget = least_budget(size, sparse ? params.schema.second ? 2 : 1 : 0);
  return params;
}

BuildParams plain(std::size_t size = kSize) {
  return bounded({.schema = {.metric = Metric::euclidean, .first = {.encoding = Encoding::f32}},
                  .graph = {.m = 8, .ef_construction = 40},
                  .num_threads = 1},
                 size);
}

double recall_of(const Answers& found, const Answers& expected, std::size_t k) {
  std::size_t hits = 0;
  for (std::size_t begin = 0; begin < found.ids.size(); begin += k)
    for (std::size_t i = begin; i < begin + k; ++i) {
      const auto* const first = expected.ids.data() + begin;
      hits += std::find(first, first + k, found.ids[i]) != first + k;
    }
  return static_cast<double>(hits) / static_cast<double>(found.ids.size());
}

class BudgetBuildAtSize : public testing::TestWithParam<BuildParams> {};

TEST_P(BudgetBuildAtSize, FindsAsMuchInTheSameBytesForAnyThreads) {
  const TempDir folder;
  Random random(1);
  const Vectors vectors = normal_vectors(random, kSize, 12), queries = normal_vectors(random, 50, 12);
  const Index usual = build(vectors, GetParam());
  const Index index = build(vectors, bounded(GetParam()), folder / "index");
  index.verify();
  EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
  const SearchParams params{.k = 10, .ef_search = 60};
  const Answers exact = search_exact(usual, queries, params);
  EXPECT_EQ(search_exact(index, queries, params).ids, exact.ids);
  EXPECT_GE(recall_of(search(index, queries, params), exact, 10),
            recall_of(search(usual, queries, params), exact, 10) - 0.03);
  BuildParams threads = bounded(GetParam());
  threads.num_threads = 3;
  build(vectors, threads, folder / "threads");
  EXPECT_TRUE(read_file(folder / "index") == read_file(folder / "threads"));
}

/// Graphs of every encoding, and for f32 vectors of every graph type: neighbour lists do not depend on the encoding.
std::vector<BuildParams> graph_cases() {
  std::vector<BuildParams> cases = all_cases();
  std::erase_if(cases, [](const BuildParams& params) {
    const bool usual = params.schema.graph == BuildParams().schema.graph || params.schema.graph == GraphType::paged;
    return params.schema.kind != Kind::graph || (!usual && params.schema.first.encoding != Encoding::f32);
  });
  return cases;
}

CASSATA_FOR_CASES(BudgetBuildAtSize, graph_cases());

TEST(BudgetBuild, LongVectorsAreWalkedByCodesOfOneBit) {
  Random random(2);
  const Vectors vectors = normal_vectors(random, kSize, 128), queries = normal_vectors(random, 50, 128);
  const Index usual = build(vectors, {.num_threads = 1}), index = build(vectors, bounded({.num_threads = 1}));
  index.verify();
  const SearchParams params{.k = 10, .ef_search = 100};
  const Answers exact = search_exact(usual, queries, params);
  EXPECT_GE(recall_of(search(index, queries, params), exact, 10),
            recall_of(search(usual, queries, params), exact, 10) - 0.03);
}

TEST(BudgetBuild, FewVectors) {
  for (const std::size_t size : {1, 2, 7, 100}) {
    SCOPED_TRACE(size);
    const TempDir folder;
    Random random(3);
    const Vectors vectors = normal_vectors(random, size, 5);
    const Index index = build(vectors, plain(size), folder / "index");
    index.verify();
    EXPECT_EQ(search(index, vectors, {.k = 1}).ids, search_exact(index, vectors, {.k = 1}).ids);
    EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
  }
}

TEST(BudgetBuildAtSize, GoesOnWhereItWasInterrupted) {
  struct Interrupted {};
  Random random(4);
  const Vectors vectors = normal_vectors(random, kSize, 100);
  const TempDir folder;
  std::size_t calls = 0;
  BuildParams params = plain();
  params.checkpoint_interval = {};  // after each batch: in the middle of regions, too
  params.progress = [&](auto...) { ++calls; };
  build(vectors, params, folder / "whole");
  const auto whole = read_file(folder / "whole");
  ASSERT_GT(calls, 20u);
  std::size_t resumed = 0;
  for (std::size_t last = 0; last < calls; last += 1 + calls / 12) {
    SCOPED_TRACE(last);
    std::size_t left = last;
    params.resume = false;
    params.progress = [&](auto...) {
      if (left-- == 0) throw Interrupted();
    };
    EXPECT_THROW(build(vectors, params, folder / "index"), Interrupted);
    EXPECT_FALSE(std::filesystem::exists(folder / "index"));
    resumed += std::filesystem::exists(folder / "index.build");
    params.resume = true;
    params.progress = {};
    build(vectors, params, folder / "index");
    ASSERT_TRUE(read_file(folder / "index") == whole);
    ASSERT_EQ(folder.names(), (std::set<std::string>{"index", "whole"}));
    std::filesystem::remove(folder / "index");
  }
  EXPECT_GT(resumed, 4u);
}

TEST(BudgetBuildAtSize, GoesOnAfterKills) {
  Random random(5);
  const Vectors vectors = normal_vectors(random, kSize, 100);
  const TempDir folder;
  BuildParams params = plain();
  params.checkpoint_interval = {};
  const auto begin = std::chrono::steady_clock::now();
  build(vectors, params, folder / "whole");
  const auto time = std::chrono::steady_clock::now() - begin;
  const auto whole = read_file(folder / "whole");
  params.resume = true;
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    for (int kills = 0; kills < 3; ++kills) {
      Child builder([&] {
        build(vectors, params, folder / "index");
        return 0;
      });
      std::this_thread::sleep_for(time * below(random, 1000) / 1000);
      builder.kill();
    }
    build(vectors, params, folder / "index");
    ASSERT_TRUE(read_file(folder / "index") == whole);
    ASSERT_EQ(folder.names(), (std::set<std::string>{"index", "whole"}));
    std::filesystem::remove(folder / "index");
  }
}

TEST(BudgetBuild, OtherBuildsDoNotTakeOverWhatWasLeft) {
  struct Interrupted {};
  Random random(6);
  const TempDir folder;
  Vectors vectors = normal_vectors(random, kSize, 10);
  BuildParams params = plain();
  const auto interrupt = [&] {
    params.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t) {
      if (stage == "graph" && done > kSize / 2) throw Interrupted();
    };
    EXPECT_THROW(build(vectors, params, folder / "index"), Interrupted);
    params.progress = {};
    ASSERT_TRUE(std::filesystem::exists(folder / "index.build"));
  };
  interrupt();
  const std::string place = (folder / "index.build").string();
  expect_error(Errc::invalid_argument, {"resume: not given", place}, [&] { build(vectors, params, folder / "index"); });
  params.resume = true;
  params.graph.m = 9;
  expect_error(Errc::invalid_argument, {"resume: " + place, "found 'm 8', expected 'm 9'"},
               [&] { build(vectors, params, folder / "index"); });
  params.graph.m = 8;
  std::vector<std::int64_t> ids(vectors.size());
  std::iota(ids.begin(), ids.end(), 7);
  const Payload payload = {.ids = ids, .fields = {}};
  params.payload = &payload;
  expect_error(Errc::invalid_argument, {"resume: " + place, "expected 'payload "},
               [&] { build(vectors, params, folder / "index"); });
  params.payload = nullptr;
  vectors.values[77] += 1;
  expect_error(Errc::invalid_argument, {"resume: vectors.npy differs from the input", place},
               [&] { build(vectors, params, folder / "index"); });
  vectors.values[77] -= 1;
  build(vectors, params, folder / "index").verify();
  params.resume = false;

  write_file(folder / "index.build", "mine");
  expect_error(Errc::io, {place, "not the folder of an interrupted build"},
               [&] { build(vectors, params, folder / "index"); });
  std::filesystem::remove(folder / "index.build");
  std::filesystem::create_directory(folder / "index.build");
  write_file(folder / "index.build" / "mine", "mine");
  expect_error(Errc::io, {place, "not the folder of an interrupted build"},
               [&] { build(vectors, params, folder / "index"); });
  EXPECT_TRUE(std::filesystem::exists(folder / "index.build" / "mine"));
  std::filesystem::remove_all(folder / "index.build");

  interrupt();
  params.resume = true;
  auto bytes = read_file(folder / "index.build" / "order");
  bytes[100] ^= std::byte{1};
  write_file(folder / "index.build" / "order", bytes);
  expect_error(Errc::corrupt, {(folder / "index.build" / "order").string(), "hash"},
               [&] { build(vectors, params, folder / "index"); });
}

TEST(BudgetBuild, DamageToWhatAnInterruptedBuildLeftIsToldOrDoesNoHarm) {
  struct Interrupted {};
  Random random(8);
  const Vectors vectors = normal_vectors(random, kSize, 100);
  const TempDir folder;
  const std::filesystem::path left = folder / "left", work = folder / "index.build";
  BuildParams params = plain();
  build(vectors, params, folder / "whole");
  const auto whole = read_file(folder / "whole");
  params.progress = [](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    if (stage == "graph" && done > total / 2) throw Interrupted();  // regions are being inserted
  };
  EXPECT_THROW(build(vectors, params, folder / "index"), Interrupted);
  params.progress = {};
  params.resume = true;
  std::filesystem::rename(work, left);
  const std::vector<std::function<void(const std::filesystem::path&)>> damages = {
      [](const auto& file) { std::filesystem::remove(file); },
      [](const auto& file) { std::filesystem::resize_file(file, 0); },
      [](const auto& file) { std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2); },
      [](const auto& file) {
        auto bytes = read_file(file);
        bytes[bytes.size() / 2] ^= std::byte{4};
        write_file(file, bytes);
      }};
  std::size_t reported = 0, harmless = 0;
  for (const auto& entry : std::filesystem::directory_iterator(left))
    for (std::size_t i = 0; i < damages.size(); ++i) {
      SCOPED_TRACE(entry.path().filename().string() + ", damage " + std::to_string(i));
      std::filesystem::copy(left, work);
      damages[i](work / entry.path().filename());
      try {
        build(vectors, params, folder / "index");
        EXPECT_TRUE(read_file(folder / "index") == whole);
        ++harmless;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(work.string()), std::string::npos) << error.what();
        EXPECT_TRUE(std::filesystem::exists(work));
        ++reported;
      }
      std::filesystem::remove(folder / "index");
      std::filesystem::remove_all(work);
    }
  EXPECT_GT(reported, 20u);
  EXPECT_GT(harmless, 2u);  // e.g. damage to the mark that there is something to resume: the build starts anew
}

TEST(BudgetBuild, AFolderThatNoBuildMadeStays) {
  Random random(9);
  const Vectors vectors = normal_vectors(random, 100, 10);
  const TempDir folder;
  const auto work = folder / "index.build";
  std::filesystem::create_directory(work);
  write_file(work / "what", "is");
  write_file(work / "mine", "mine");
  expect_error(Errc::io, {work.string(), "not the folder of an interrupted build"},
               [&] { build(vectors, plain(100), folder / "index"); });
  EXPECT_TRUE(std::filesystem::exists(work / "mine"));
  std::filesystem::remove_all(work);
  std::filesystem::create_directory(work);
  write_file(work / "what.new", "");  // of one that had only begun to say what it is
  build(vectors, plain(100), folder / "index");
  EXPECT_EQ(folder.names(), std::set<std::string>{"index"});
}

TEST(BudgetBuild, FilesOfOthersInItsFolderStay) {
  struct Interrupted {};
  Random random(10);
  const Vectors vectors = normal_vectors(random, kSize, 10);
  const TempDir folder;
  const auto work = folder / "index.build";
  for (const std::string_view at : {"read", "graph"}) {  // before and after there is something to resume
    SCOPED_TRACE(at);
    BuildParams params = plain();
    params.progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      if (stage != at || done <= total / 2) return;
      write_file(work / "mine", "mine");
      std::filesystem::create_directory(work / "folder");
      throw Interrupted();
    };
    EXPECT_THROW(build(vectors, params, folder / "index"), Interrupted);
    EXPECT_EQ(std::filesystem::exists(work / "kept"), at == "graph");
    if (at == "graph") {
      params.resume = true;
      params.progress = {};
      build(vectors, params, folder / "index");
    }
    std::set<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator(work)) left.insert(entry.path().filename().string());
    EXPECT_EQ(left, (std::set<std::string>{"folder", "mine"}));
    std::filesystem::remove_all(work);
  }
}

TEST(WorkFiles, RemoveNothingOutsideTheirFolder) {
  const TempDir folder;
  write_file(folder / "mine", "mine");
  WorkFiles(folder / "index", "kind hnsw\n", false).keep();
  const WorkFiles resumed(folder / "index", "kind hnsw\n", true);
  for (const std::string& name :
       {std::string("../mine"), (folder / "mine").string(), std::string(".."), std::string(".")}) {
    const std::string line = name + "\n";
    resumed.put("other", std::as_bytes(std::span(line)));
    std::filesystem::rename(folder / "index.build" / "other", folder / "index.build" / "names");  // hashed as names are
    expect_error(Errc::corrupt, {"names", "'" + name + "'"}, [&] { WorkFiles(folder / "index", "kind hnsw\n", true); });
    EXPECT_EQ(read_file(folder / "mine").size(), 4u);
  }
}

TEST(WorkFiles, StartNowhereAmongFilesOfOthers) {
  const TempDir folder;
  WorkFiles(folder / "index", "kind hnsw\n", false).keep();
  std::filesystem::remove(folder / "index.build" /
                          "kept");  // as if it was interrupted before there was anything to resume
  write_file(folder / "index.build" / "graph.log", "mine");
  expect_error(Errc::io, {"index.build: holds files that no build made"},
               [&] { WorkFiles(folder / "index", "kind hnsw\n", false); });
  EXPECT_EQ(read_file(folder / "index.build" / "graph.log").size(), 4u);
}

TEST(WorkFiles, NameTheDifferingLine) {
  const TempDir folder;
  const auto refused = [&](const std::string& what, const std::string& found) {
    expect_error(Errc::invalid_argument, {found}, [&] { WorkFiles(folder / "index", what, true); });
  };
  WorkFiles(folder / "index", "kind hnsw\nm 8\nresidual true\n", false).keep();
  refused("kind hnsw\nbits 4\nm 8\nresidual true\n", ": found none, expected 'bits 4'");
  refused("kind hnsw\nresidual true\n", ": found 'm 8', expected none");
  refused("kind hnsw\nresidual true\nm 9\n", ": found 'm 8', expected 'm 9'");
}

TEST(BudgetBuild, WhatCannotBeFollowedIsRefused) {
  Random random(7);
  const TempDir folder;
  const Vectors vectors = normal_vectors(random, 100, 10);
  BuildParams params = plain(100);
  const auto refused = [&](const std::vector<std::string>& parts, const std::filesystem::path& path) {
    expect_error(Errc::invalid_argument, parts, [&] { build(vectors, params, path); });
    EXPECT_TRUE(folder.names().empty());
  };
  --params.memory_budget;
  refused({"memory_budget: " + bytes_text(least_budget(100) - 1) + " given", bytes_text(least_budget(100))},
          folder / "index");
  params = plain(100);
  params.schema.kind = Kind::flat;
  refused({"memory_budget: given for kind 'flat'", "'hnsw'"}, folder / "index");
  params = plain(100);
  params.resume = true;
  refused({"resume: given without a path"}, {});
  params.memory_budget = 0;
  refused({"resume: given without memory_budget"}, folder / "index");
}

/// Lists of some levels, filled at random.
void fill(BuiltGraph& graph, GraphLog& log, Random& random) {
  for (int i = 0; i < 50; ++i) {
    const std::size_t level = below(random, graph.levels.size());
    NeighborLists& lists = graph.levels[level];
    const Id node = static_cast<Id>(below(random, lists.size()));
    std::vector<Id> list(below(random, lists.max_degree() + 1));
    for (Id& id : list) id = static_cast<Id>(below(random, lists.size()));
    lists.assign(node, list);
    log.note(level, node);
  }
}

std::vector<std::vector<Id>> lists_of(const BuiltGraph& graph) {
  std::vector<std::vector<Id>> lists;
  for (const NeighborLists& level : graph.levels)
    for (Id node = 0; node < level.size(); ++node) lists.emplace_back(level.list(node).begin(), level.list(node).end());
  return lists;
}

TEST(GraphLog, GivesTheLastWholeCommitBackWhateverFollows) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const TempDir folder;
    WorkFiles files(folder / "index", "a test", false);
    const auto path = folder / "index.build" / "graph.log";
    BuiltGraph graph(200, 4);
    std::vector<std::uint64_t> ends = {0};
    std::vector<std::vector<std::vector<Id>>> states = {lists_of(graph)};
    {
      GraphLog log(files, graph);
      EXPECT_EQ(log.inserted(), 0u);
      for (int commit = 0; commit < 5; ++commit) {
        fill(graph, log, random);
        log.batch_done(10);  // commits
        ends.push_back(std::filesystem::file_size(path));
        states.push_back(lists_of(graph));
      }
    }
    auto bytes = read_file(path);
    const std::size_t cut = below(random, bytes.size() + 1);  // bytes that are left, or the one that is damaged
    if (seed % 2 == 0)
      bytes.resize(cut);
    else if (cut < bytes.size())
      bytes[cut] ^= static_cast<std::byte>(1 + below(random, 255));
    write_file(path, bytes);
    const std::size_t whole =
        static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin() - 1);
    BuiltGraph again(200, 4);
    GraphLog log(files, again);
    EXPECT_EQ(log.inserted(), 10 * whole);
    EXPECT_TRUE(lists_of(again) == states[whole]);
    fill(again, log, random);
    log.commit();
    BuiltGraph more(200, 4);
    GraphLog(files, more);
    EXPECT_TRUE(lists_of(more) == lists_of(again));
  }
}

TEST(GraphLog, IgnoresACommitWithADamagedHead) {
  const TempDir folder;
  WorkFiles files(folder / "index", "a test", false);
  const auto path = folder / "index.build" / "graph.log";
  BuiltGraph graph(200, 4);
  Random random(1);
  std::uintmax_t first = 0;
  {
    GraphLog log(files, graph);
    for (int commit = 0; commit < 2; ++commit) {
      first = std::filesystem::exists(path) ? std::filesystem::file_size(path) : 0;
      fill(graph, log, random);
      log.batch_done(10);  // commits
    }
  }
  const auto bytes = read_file(path);
  for (std::size_t at = first; at < first + 24; ++at) {
    auto damaged = bytes;
    damaged[at] ^= static_cast<std::byte>(1 + below(random, 255));
    write_file(path, damaged);
    BuiltGraph again(200, 4);
    EXPECT_EQ(GraphLog(files, again).inserted(), 10u) << "byte " << at - first;
  }
}

TEST(GraphLog, IsWrittenAnewBeforeItIsMuchLongerThanTheGraph) {
  const TempDir folder;
  WorkFiles files(folder / "index", "a test", false);
  const auto path = folder / "index.build" / "graph.log";
  BuiltGraph graph(200, 4);
  GraphLog log(files, graph);
  Random random(1);
  std::uintmax_t longest = 0;
  for (int commit = 0; commit < 40; ++commit) {
    fill(graph, log, random);
    log.batch_done(1);
    log.commit();
    longest = std::max(longest, std::filesystem::file_size(path));
    BuiltGraph again(200, 4);
    EXPECT_EQ(GraphLog(files, again).inserted(), static_cast<std::size_t>(commit + 1));
    ASSERT_TRUE(lists_of(again) == lists_of(graph));
  }
  EXPECT_LT(longest, 6u * (200 * 11 + 50 * 7 + 12 * 7) * sizeof(Id));
}

}  // namespace
}  // namespace cassata::budget_build_test
