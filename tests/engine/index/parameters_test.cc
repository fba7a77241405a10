// The table of parameters: every row of every table, by the same rules.
#include "cassata/parameters.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "engine/index/registry.h"
#include "tests/support/expect_error.h"

namespace cassata {
namespace {

using test::expect_error;

/// Calls `test` with each table.
void each_table(auto test) {
  test(build_parameters());
  test(search_parameters());
  test(open_parameters());
  test(recommend_parameters());
  test(two_level_parameters());
  test(join_parameters());
}

/// Calls `test` with each row of each table.
void each_row(auto test) {
  each_table([&](const auto& table) {
    for (const auto& row : table) {
      SCOPED_TRACE(row.name);
      test(row);
    }
  });
}

bool is_whole(const ParameterInfo& row) { return row.type == ParameterType::whole || row.type == ParameterType::bytes; }

Value number_of(const ParameterInfo& row, double number) {
  return is_whole(row) ? Value(static_cast<std::uint64_t>(number)) : Value(number);
}

void expect_refused(const ParameterInfo& row, const Value& value) {
  expect_error(Errc::invalid_argument,
               {std::string(row.name) + ": " + value_text(value) + " given, expected " + expected_text(row)},
               [&] { check_value(row, value); });
}

TEST(Parameters, NamesAreUniqueInATableAndMeanTheSameOptionInAll) {
  each_table([](const auto& table) {
    std::set<std::string_view> names;
    std::set<std::string> options;
    for (const auto& row : table) {
      EXPECT_TRUE(names.insert(row.name).second) << row.name;
      EXPECT_TRUE(options.insert(option_name(row)).second) << row.name;
      EXPECT_EQ(option_name(row), option_name(*find_parameter(row.name))) << row.name;
    }
  });
  EXPECT_EQ(find_parameter("no_such"), nullptr);
}

TEST(Parameters, NamesThatATableLacksAreRefused) {
  each_table([]<class Params>(std::span<const Parameter<Params>> table) {
    Given<Params> given(table);
    const std::string expected = "parameter 'no_such' given, expected one of '" + std::string(table.front().name) + "'";
    expect_error(Errc::invalid_argument, {expected}, [&] { given.give("no_such", std::uint64_t{1}); });
    expect_error(Errc::invalid_argument, {expected}, [&] { given.give_text("no_such", "1"); });
    expect_error(Errc::invalid_argument, {expected}, [&] { given.value("no_such"); });
    expect_error(Errc::invalid_argument, {expected}, [&] { given.given("no_such"); });
  });
}

TEST(Parameters, HelpIsALineWithoutAFullStop) {
  each_row([](const auto& row) {
    const std::string help = help_of(row);
    EXPECT_FALSE(help.empty());
    EXPECT_EQ(help.find('\n'), help.npos);
    EXPECT_NE(help.back(), '.');
  });
}

TEST(Parameters, HelpTellsOfEveryMetricAndEncoding) {
  const std::string metrics = help_of(*find_parameter("metric")), dtypes = help_of(*find_parameter("dtype"));
  for (const MetricRow& row : metric_rows()) {
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_NE(metrics.find(std::string(row.name) + (largest_first(row.metric) ? " (largest" : " (smallest")),
              metrics.npos)
        << metrics;
    EXPECT_NE(metrics.find("): " + std::string(row.help)), metrics.npos) << metrics;
  }
  for (const EncodingRow& row : encoding_rows()) {
    if (row.vector_kind == VectorKind::tokens) continue;
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_NE(dtypes.find(std::string(row.name) + " (" + std::string(row.help)), dtypes.npos) << dtypes;
  }
  EXPECT_NE(metrics.find("manhattan (smallest first, only dense vectors in f32 or f16): "), metrics.npos) << metrics;
  EXPECT_NE(dtypes.find("int8 (8 bits per dimension, with rerank)"), dtypes.npos) << dtypes;
  EXPECT_NE(dtypes.find("dotvbyte (2.3 bytes per entry, metric dotproduct or cosine)"), dtypes.npos) << dtypes;
  EXPECT_NE(dtypes.find("with kind flat only f32 or f16"), dtypes.npos) << dtypes;
}

TEST(Parameters, DefaultsAreInRange) {
  each_row([]<class Params>(const Parameter<Params>& row) {
    const Value usual = row.get(Params{});
    if (usual.index() != 0) check_value(row, usual);
    if (row.choices != nullptr && usual.index() != 0) {
      const std::vector<std::string> choices = row.choices();
      EXPECT_EQ(std::ranges::count(choices, value_text(usual)), 1);
    }
  });
}

TEST(Parameters, DefaultsRoundTripThroughTheStruct) {
  each_row([]<class Params>(const Parameter<Params>& row) {
    Params params{};
    const Value usual = row.get(params);
    if (usual.index() == 0) return;
    row.set(params, usual);
    EXPECT_EQ(row.get(params), usual);
    EXPECT_EQ(parse_value(row, value_text(usual)), usual);
  });
}

TEST(Parameters, NumbersRoundTripAtBothEndsOfTheirRange) {
  each_row([]<class Params>(const Parameter<Params>& row) {
    if (!is_whole(row) && row.type != ParameterType::real) return;
    for (const double bound : {row.minimum, row.maximum}) {
      if (std::isinf(bound) || (bound == row.minimum && row.above_minimum)) continue;
      const Value value = number_of(row, bound);
      check_value(row, value);
      EXPECT_EQ(parse_value(row, value_text(value)), value);
      Params params{};
      if (row.applies != nullptr) continue;  // where the index has it: below
      row.set(params, value);
      if (bound != 0) EXPECT_EQ(row.get(params), value);
    }
  });
}

TEST(Parameters, NumbersOutOfRangeAreRefused) {
  each_row([](const ParameterInfo& row) {
    if (!is_whole(row) && row.type != ParameterType::real) return;
    const double step = is_whole(row) ? 1 : std::max(1e-3, 1e-6 * row.minimum);
    if (row.above_minimum) expect_refused(row, number_of(row, row.minimum));
    if (row.minimum >= step) expect_refused(row, number_of(row, row.minimum - step));
    if (row.type == ParameterType::real) {
      for (const double bad : {-1.0, -step, 2 * row.maximum, std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(), std::nan("")})
        expect_refused(row, bad);
      return;
    }
    if (std::isfinite(row.maximum)) expect_refused(row, number_of(row, row.maximum + 1));
    expect_refused(row, std::numeric_limits<std::uint64_t>::max());
  });
}

TEST(Parameters, ValuesOfAnotherTypeAreRefused) {
  const Value all[] = {{}, true, std::uint64_t{3}, 0.5, std::string("x")};
  each_row([&](const ParameterInfo& row) {
    int taken = 0;
    for (const Value& value : all) {
      try {
        check_value(row, value);
        ++taken;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument);
        EXPECT_TRUE(std::string(error.what()).starts_with(std::string(row.name) + ": ")) << error.what();
      }
    }
    EXPECT_LE(taken, 1);
  });
}

TEST(Parameters, TextsThatAreNoValueAreRefused) {
  each_row([](const ParameterInfo& row) {
    if (row.type == ParameterType::choice || row.type == ParameterType::path) return;
    for (const std::string text : {"", " ", "x", "1x", "0x1p3", "1e999", "-1", "nan", "18446744073709551616"}) {
      if (row.type == ParameterType::real && text.size() == 20) continue;  // large, but a number
      SCOPED_TRACE(text);
      try {
        parse_value(row, text);
        ADD_FAILURE();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument);
        EXPECT_TRUE(std::string(error.what()).starts_with(std::string(row.name) + ": ")) << error.what();
      }
    }
  });
}

TEST(Parameters, NamesThatAreNoChoiceAreRefused) {
  each_row([]<class Params>(const Parameter<Params>& row) {
    if (row.type != ParameterType::choice) return;
    Params params{};
    expect_error(Errc::invalid_argument, {std::string(row.name) + ": 'no_such' given, "},
                 [&] { row.set(params, std::string("no_such")); });
  });
}

TEST(Parameters, TextsAreReadInAnyCase) {
  Given<BuildParams> given(build_parameters());
  for (const auto& [name, text] : std::vector<std::pair<const char*, const char*>>{
           {"metric", "L2"}, {"dtype", "F16"}, {"graph_type", "COMPRESSED"}, {"memory_budget", "1GiB"}})
    given.give_text(name, text);
  const BuildParams params = build_params(given, VectorKind::dense);
  EXPECT_EQ(params.schema.metric, Metric::euclidean);
  EXPECT_EQ(params.schema.first.encoding, Encoding::f16);
  EXPECT_EQ(params.schema.graph, GraphType::compressed);
  EXPECT_EQ(params.memory_budget, std::uint64_t{1} << 30);
}

/// A build by names and texts.
BuildParams built(VectorKind vectors, const std::vector<std::pair<std::string, std::string>>& arguments) {
  Given<BuildParams> given(build_parameters());
  for (const auto& [name, text] : arguments) given.give_text(name, text);
  return build_params(given, vectors);
}

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts texts(const BuildParams& params) {
  Texts out;
  for (const auto& [name, value] : recorded(params)) out.emplace_back(name, value_text(value));
  return out;
}

TEST(Parameters, DependOnOthersInWhateverOrderTheyAreGiven) {
  const BuildParams guided = built(VectorKind::dense, {{"navigation", "rabitq"}, {"dtype", "f16"}, {"bits", "2"}});
  EXPECT_EQ(guided.schema.first, (Stage{.encoding = Encoding::rabitq, .code = {.bits = 2}, .role = Role::traversal}));
  EXPECT_EQ(guided.schema.second->encoding, Encoding::f16);
  const BuildParams bits = built(VectorKind::dense, {{"bits", "1"}, {"rerank", "f32"}, {"dtype", "rabitq"}});
  EXPECT_EQ(bits.schema.first.code.bits, 1U);
  EXPECT_EQ(built(VectorKind::dense, {{"rerank", "rabitq"}, {"dtype", "int4"}}).schema.second->code.bits, 4U);
  const BuildParams pruned = built(VectorKind::sparse, {{"residual", "true"}, {"prune_percentage", "40"}});
  EXPECT_EQ(pruned.schema.second->encoding, Encoding::sparse_f16);
  EXPECT_TRUE(pruned.schema.has(Role::residual));
  EXPECT_EQ(pruned.schema.first.prune_percentage, 40);
  EXPECT_EQ(built(VectorKind::sparse, {{"kind", "flat"}}).schema.first.encoding, Encoding::sparse_f32);
  EXPECT_EQ(built(VectorKind::sparse, {{"dtype", "f16"}, {"kind", "flat"}}).schema.first.encoding,
            Encoding::sparse_f16);
}

TEST(Parameters, OfOtherIndexesAreRefused) {
  struct Case {
    VectorKind vectors;
    Texts arguments;
    std::string message;
  };
  const Case cases[] = {
      {VectorKind::dense, {{"kind", "flat"}, {"m", "16"}}, "m: given, expected only with kind 'hnsw'"},
      {VectorKind::dense, {{"n_knn", "3"}}, "n_knn: given, expected only with kind 'postings'"},
      {VectorKind::dense, {{"m_pq", "3"}}, "m_pq: given, expected only with 'pq' codes"},
      {VectorKind::dense, {{"opq", "true"}}, "opq: given, expected only with 'pq' codes"},
      {VectorKind::dense, {{"bits", "3"}}, "bits: given, expected only with 'rabitq' codes"},
      {VectorKind::dense, {{"rerank_bits", "3"}}, "rerank_bits: given, expected only with 'rabitq' rerank codes"},
      {VectorKind::dense,
       {{"dtype", "pq"}, {"rerank", "f16"}, {"prune_percentage", "30"}},
       "prune_percentage: given, expected only with sparse vectors"},
      {VectorKind::dense, {{"residual", "true"}}, "residual: given without rerank, "},
      {VectorKind::sparse, {{"residual", "true"}}, "residual: given without prune_percentage, "},
      {VectorKind::dense, {{"navigation", "int8"}, {"rerank", "f16"}}, "rerank: given with navigation, "},
      {VectorKind::dense, {{"navigation", "int8"}, {"residual", "true"}}, "residual: given with navigation, "},
      {VectorKind::dense, {{"navigation", "int8"}, {"dtype", "pq"}}, "dtype: 'pq' given with navigation, "},
      {VectorKind::sparse, {{"navigation", "int8"}}, "navigation: 'int8' given, "},
      {VectorKind::sparse, {{"dtype", "pq"}}, "dtype: 'pq' given, "},
      {VectorKind::dense, {{"rerank", "dotvbyte"}}, "rerank: 'dotvbyte' given, "},
  };
  for (const Case& one : cases)
    expect_error(Errc::invalid_argument, {one.message}, [&] { built(one.vectors, one.arguments); });
  built(VectorKind::dense, {{"opq", "false"}, {"residual", "false"}, {"resume", "false"}});
}

TEST(Parameters, OfSearchesByTheIndexThatIsSearched) {
  const auto refused = [](const char* name, const IndexSchema& schema) {
    Given<SearchParams> given(search_parameters());
    const auto row = std::ranges::find(search_parameters(), name, &ParameterInfo::name);
    given.give(name, row->type == ParameterType::flag   ? Value(true)
                     : row->type == ParameterType::real ? Value(0.5)
                                                        : Value(std::uint64_t{5}));
    return given.unused({&schema, 1}) != nullptr;
  };
  const IndexSchema flat{.kind = Kind::flat}, lists{.kind = Kind::postings},
      stages{.second = Stage{.role = Role::rerank}},
      guided{.first = {.role = Role::traversal}, .second = Stage{.role = Role::rerank}},
      tokens{.second = Stage{.encoding = Encoding::tokens_f16, .role = Role::maxsim}};
  for (const char* name : {"k", "ef_search", "early_exit_threshold", "num_threads"})
    for (const IndexSchema& schema : {flat, lists, stages, guided, tokens}) EXPECT_FALSE(refused(name, schema)) << name;
  for (const char* name : {"query_cut", "heap_factor"})
    for (const IndexSchema& schema : {flat, stages, guided, tokens}) EXPECT_TRUE(refused(name, schema)) << name;
  for (const char* name : {"k_candidates", "alpha", "beta"}) {
    for (const IndexSchema& schema : {flat, lists, guided}) EXPECT_TRUE(refused(name, schema)) << name;
    for (const IndexSchema& schema : {stages, tokens}) EXPECT_FALSE(refused(name, schema)) << name;
  }
  EXPECT_FALSE(refused("heap_factor", lists));
  EXPECT_FALSE(refused("sum_stages", tokens));
  EXPECT_TRUE(refused("sum_stages", stages));
}

/// What a file says of its build makes the same build again.
TEST(Parameters, AreRecordedSoThatTheyMakeTheSameBuild) {
  const std::pair<VectorKind, Texts> builds[] = {
      {VectorKind::dense, {}},
      {VectorKind::dense, {{"kind", "flat"}, {"dtype", "f16"}}},
      {VectorKind::dense, {{"dtype", "pq"}, {"m_pq", "7"}, {"opq", "true"}, {"m", "5"}, {"memory_budget", "99000000"}}},
      {VectorKind::dense, {{"navigation", "rabitq"}, {"bits", "3"}, {"graph_type", "paged"}, {"ef_search", "31"}}},
      {VectorKind::dense, {{"dtype", "int8"}, {"rerank", "rabitq"}, {"rerank_bits", "6"}, {"residual", "true"}}},
      {VectorKind::sparse, {{"metric", "l2"}, {"ef_construction", "77"}}},
      {VectorKind::sparse, {{"kind", "postings"}, {"n_postings", "50"}, {"summary_energy", "0.5"}, {"n_knn", "9"}}},
      {VectorKind::sparse, {{"rerank", "fixedu8"}, {"prune_percentage", "33.3"}, {"residual", "true"}}},
  };
  for (const auto& [vectors, arguments] : builds) {
    const BuildParams params = built(vectors, arguments);
    const Texts said = texts(params);
    const BuildParams again = built(vectors, said);
    EXPECT_EQ(again.schema, params.schema);
    EXPECT_EQ(texts(again), said);
    for (const auto& [name, value] : arguments)
      if (name != "metric") EXPECT_EQ(std::ranges::count(said, std::pair(name, value)), 1) << name;
  }
}

/// Texts of files that former versions wrote, in the same order.
TEST(Parameters, AreRecordedAsEverBefore) {
  EXPECT_EQ(texts(built(VectorKind::dense, {{"navigation", "int4"}, {"dtype", "f16"}})),
            (Texts{{"kind", "hnsw"},
                   {"metric", "dotproduct"},
                   {"dtype", "f16"},
                   {"navigation", "int4"},
                   {"graph_type", "permuted"},
                   {"m", "32"},
                   {"ef_construction", "200"}}));
  EXPECT_EQ(texts(built(VectorKind::sparse, {{"kind", "postings"}})), (Texts{{"kind", "postings"},
                                                                             {"metric", "dotproduct"},
                                                                             {"dtype", "f16"},
                                                                             {"n_postings", "0"},
                                                                             {"summary_energy", "1"},
                                                                             {"n_knn", "0"}}));
  EXPECT_EQ(texts(built(VectorKind::sparse, {{"prune_percentage", "60"}})), (Texts{{"kind", "hnsw"},
                                                                                   {"metric", "dotproduct"},
                                                                                   {"dtype", "f16"},
                                                                                   {"graph_type", "permuted"},
                                                                                   {"m", "32"},
                                                                                   {"ef_construction", "200"},
                                                                                   {"rerank", "f16"},
                                                                                   {"prune_percentage", "60"},
                                                                                   {"residual", "false"}}));
  EXPECT_EQ(texts(built(VectorKind::dense, {{"dtype", "rabitq"}, {"rerank", "rabitq"}, {"rerank_bits", "8"}})),
            (Texts{{"kind", "hnsw"},
                   {"metric", "dotproduct"},
                   {"dtype", "rabitq"},
                   {"graph_type", "permuted"},
                   {"m", "32"},
                   {"ef_construction", "200"},
                   {"rerank", "rabitq"},
                   {"rerank_bits", "8"},
                   {"residual", "false"},
                   {"bits", "4"}}));
}

TEST(Parameters, ClassesAreListed) {
  const std::vector<IndexClass> classes = index_classes();
  EXPECT_EQ(classes.front().name, "DenseFlatIndex");
  EXPECT_EQ(class_name_of(usual_build(VectorKind::dense).schema), "DensePlainHNSW");
  EXPECT_EQ(class_name_of(usual_build(VectorKind::sparse).schema), "SparsePlainHNSW");
  for (const IndexClass& one : classes) {
    EXPECT_FALSE(one.first.empty());
    EXPECT_EQ(one.second.empty(), one.role == Role::search);
  }
}

}  // namespace
}  // namespace cassata
