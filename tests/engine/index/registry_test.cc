// The table of encodings: the metrics in a row are those that its codes compute.
#include "engine/index/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/index.h"
#include "engine/codec/tokens.h"
#include "tests/support/expect_error.h"
#include "tests/support/metric_definition.h"
#include "tests/support/random_case.h"

namespace cassata::registry_test {
namespace {

using namespace test;

constexpr std::size_t kDim = 16;

CodesSpec spec_of(const EncodingRow& row, Metric metric) {
  CodesSpec spec{.dim = kDim, .metric = metric};
  if (row.encoding == Encoding::rabitq) spec.code.bits = CodeParams::kMaxBits;
  if (row.encoding == Encoding::pq) spec.code.m_pq = kDim;
  if (row.vector_kind == VectorKind::tokens && row.compact) spec.code.m_pq = 1;
  return spec;
}

/// Whole numbers from 0 to 4: fixed-point numbers hold them, and distances of two metrics differ by far.
Vectors small_numbers(std::size_t n) {
  Random random(7);
  Vectors out = whole_vectors(random, n, kDim);
  for (float& value : out.values) value = std::abs(value);
  return out;
}

/// A document with one token, all ones.
struct OneToken {
  std::vector<std::byte> rows, model;
  std::vector<std::uint32_t> offsets = {0};

  explicit OneToken(Encoding encoding) {
    const std::vector<float> ones(kDim, 1);
    if (encoding == Encoding::tokens_f16) {
      const std::uint64_t ends[] = {0, 1};
      EncodedRows encoded;
      encoder_tokens_f16({.dim = kDim})
          ->encode({.rows = 1, .tokens = {.data = ones.data(), .dim = kDim, .offsets = ends}}, "tokens", 0, encoded);
      rows = encoded.bytes;
    } else {
      const std::uint32_t centroid[] = {0};
      const std::uint16_t norm[] = {0};
      const std::uint8_t residual[] = {0};
      const bool norms = encoding == Encoding::tokens_two_level_norms;
      append_two_level(centroid, std::span(norm).first(norms ? 1 : 0), residual, 1, rows);
      model = two_level_model(ones, std::vector<float>(256 * kDim), 1);
    }
    offsets.push_back(static_cast<std::uint32_t>(rows.size()));
  }
  RowSections sections() const {
    return {.rows = {.file = "file", .name = "rows", .offset = 4096, .bytes = rows},
            .offsets = {.file = "file", .name = "offsets", .offset = 8192, .bytes = std::as_bytes(std::span(offsets))},
            .model = {.file = "file", .name = "model", .offset = 12288, .bytes = model}};
  }
};

/// Calls use(codes, metric) for codes of the row made for each metric of its list.
void each_codes(const EncodingRow& row, const Vectors& vectors, auto use) {
  const SparseVectors sparse = sparse_of(vectors);
  for (const Metric metric : row.distances) {
    SCOPED_TRACE(name_of(metric));
    if (row.vector_kind == VectorKind::tokens) {
      const OneToken token(row.encoding);
      use(*row.open(token.sections(), 1, spec_of(row, metric)), metric);
    } else {
      const StoredVectors stored(row.encoder(spec_of(row, metric)),
                                 row.vector_kind == VectorKind::sparse ? sparse.batch(kDim) : vectors.matrix());
      use(stored.codes(), metric);
    }
  }
}

TEST(EncodingRows, ComputeTheDistancesOfTheirMetrics) {
  const Vectors vectors = small_numbers(300), query = vectors.part(299, 1);
  const SparseVectors sparse_query = sparse_of(query);
  for (const EncodingRow& row : encoding_rows()) {
    SCOPED_TRACE(std::to_string(static_cast<int>(row.encoding)) + " " + std::string(row.name));
    each_codes(row, vectors, [&](const Codes& codes, Metric metric) {
      const std::unique_ptr<Scorer> scorer = codes.scorer(metric);
      std::vector<float> found(codes.size());
      if (row.vector_kind == VectorKind::tokens) {
        scorer->bind({.values = {}, .tokens = query.values});
        scorer->score_range(0, 1, found.data());
        EXPECT_FLOAT_EQ(found[0], static_cast<float>(
                                      exact_distance(metric, query.row(0), std::vector<float>(kDim, 1).data(), kDim)));
        return;
      }
      scorer->bind(row.vector_kind == VectorKind::sparse ? sparse_query.view(0) : query.view(0));
      scorer->score_range(0, found.size(), found.data());
      for (std::size_t i = 0; i < found.size(); ++i) {
        double squares = 0;  // of both vectors
        for (std::size_t j = 0; j < kDim; ++j) squares += std::pow(query.row(0)[j], 2) + std::pow(vectors.row(i)[j], 2);
        ASSERT_NEAR(found[i], exact_distance(metric, query.row(0), vectors.row(i), kDim),
                    (row.compact ? 0.1 : 0.01) * squares)
            << "row " << i;
      }
    });
  }
}

TEST(EncodingRows, ScorersOfOtherMetricsAreRefused) {
  const Vectors vectors = small_numbers(300);
  std::vector<std::pair<Metric, std::string>> all = {{static_cast<Metric>(200), "number 200"}};
  for (const MetricRow& row : kMetrics) all.emplace_back(row.metric, "'" + std::string(row.name) + "'");
  for (const EncodingRow& row : encoding_rows()) {
    SCOPED_TRACE(std::to_string(static_cast<int>(row.encoding)) + " " + std::string(row.name));
    each_codes(row, vectors, [&](const Codes& codes, Metric) {
      for (const auto& [metric, text] : all)
        if (std::ranges::count(row.distances, metric) == 0)
          expect_error(Errc::invalid_argument, {"metric: " + text + " given"}, [&] { codes.scorer(metric); });
    });
  }
}

TEST(EncodingRows, QuantizersOfOtherMetricsAreRefused) {
  for (const EncodingRow& row : encoding_rows())
    if (row.encoding == Encoding::dense_int8 || row.encoding == Encoding::dense_int4 ||
        row.encoding == Encoding::rabitq)
      expect_error(Errc::invalid_argument, {"metric: 'manhattan' given"},
                   [&] { row.encoder(spec_of(row, Metric::manhattan)); });
}

TEST(MetricRows, AMetricWithoutARowIsRefused) {
  const auto unknown = static_cast<Metric>(200);
  expect_error(Errc::invalid_argument, {"metric: number 200 given"}, [&] { row_of(unknown); });
  expect_error(Errc::invalid_argument, {"metric: number 200 given"}, [&] { name_of(unknown); });
  expect_error(Errc::invalid_argument, {"metric: number 200 given"}, [&] {
    const Vectors vectors = small_numbers(10);
    const auto stream = memory_stream("vectors", vectors.values.data(), vectors.size(), kDim, ElementType::f32);
    Index::build(*stream, {.schema = {.metric = unknown}});
  });
}

}  // namespace
}  // namespace cassata::registry_test
