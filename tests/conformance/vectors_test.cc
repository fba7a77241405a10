// Vectors read back from every kind of index that the registry has, and builds from them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cassata/index_source.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/multivector_cases.h"
#include "tests/support/expect_error.h"

namespace cassata::vectors_test {
namespace {

using namespace test;

class VectorsOfKind : public EveryKind {};
class VectorsOfMultivector : public EveryMultivector {};

std::vector<Id> all_rows(const Index& index) {
  std::vector<Id> rows(index.size());
  std::iota(rows.begin(), rows.end(), Id{0});
  return rows;
}

/// Dense rows of `dim` values.
std::vector<float> dense(const Rows& rows, std::size_t dim) {
  std::vector<float> out(rows.size() * dim);
  const Batch batch = rows.batch();
  for (std::size_t i = 0; i < batch.rows; ++i) {
    const VectorView row = batch.row(i);
    for (std::size_t j = 0; j < row.values.size(); ++j)
      out[i * dim + (batch.sparse() ? row.components[j] : j)] = row.values[j];
  }
  return out;
}

/// The vectors as the index has them: of length 1 for cosine.
std::vector<double> expected_values(const Vectors& vectors, Metric metric) {
  std::vector<double> out(vectors.values.begin(), vectors.values.end());
  if (!row_of(metric).normalized) return out;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const auto row = std::span(out).subspan(i * vectors.dim, vectors.dim);
    const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    if (length != 0)
      for (double& value : row) value /= length;
  }
  return out;
}

/// Most of the squared length of vectors that an encoding loses, as a share.
double loss_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::f32:
    case Encoding::sparse_f32: return 0;
    case Encoding::f16:
    case Encoding::sparse_f16:
    case Encoding::sparse_fixed16: return 1e-6;
    case Encoding::sparse_fixed8:
    case Encoding::sparse_packed: return 1e-4;
    case Encoding::dense_int8:
    case Encoding::rabitq: return 1e-3;  // of 7 bits, which the cases have in the last stage
    case Encoding::dense_int4:
    case Encoding::pq: return 0.05;
    default: ADD_FAILURE() << "an encoding that is new: how exact is it?"; return 0;
  }
}

/// The same for the vectors of an index, which pruned ones without the rest do not belong to.
double loss_of(const IndexSchema& schema) {
  const bool parts = schema.has(Role::residual) && schema.vector_kind == VectorKind::sparse;
  return loss_of(schema.last().encoding) + (parts ? loss_of(schema.first.encoding) : 0) +
         (row_of(schema.metric).normalized ? 1e-12 : 0);
}

double lost(const std::vector<float>& found, const std::vector<double>& expected) {
  double error = 0, length = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    length += expected[i] * expected[i];
  }
  return error / length;
}

TEST_P(VectorsOfKind, AreThoseOfTheBuildAsExactAsTheyAreStored) {
  const IndexSchema& schema = GetParam().schema;
  for (const bool whole : {false, true}) {
    SCOPED_TRACE(whole);
    Random random(whole);
    Vectors vectors = whole ? whole_vectors(random, 200, 7) : clustered_vectors(random, 300, 20, 5);
    duplicate_rows(random, vectors, 20);
    const Index index = build(vectors, GetParam());
    const std::vector<float> found = dense(index.vectors(all_rows(index)), vectors.dim);
    const std::vector<double> expected = expected_values(vectors, schema.metric);
    EXPECT_LE(lost(found, expected), loss_of(schema));
    if (whole && exact_scores(GetParam())) {
      EXPECT_EQ(found, vectors.values);
    }
  }
}

TEST_P(VectorsOfKind, AnyRowsInAnyOrder) {
  Random random(3);
  const Vectors vectors = clustered_vectors(random, 120, 6, 3);
  const Index index = build(vectors, GetParam());
  const std::vector<float> all = dense(index.vectors(all_rows(index)), vectors.dim);
  std::vector<Id> some(700);  // more than are requested at once
  for (Id& row : some) row = static_cast<Id>(below(random, index.size()));
  const Rows found = index.vectors(some);
  ASSERT_EQ(found.size(), some.size());
  const std::vector<float> values = dense(found, vectors.dim);
  for (std::size_t i = 0; i < some.size(); ++i)
    ASSERT_TRUE(std::equal(values.begin() + i * 6, values.begin() + (i + 1) * 6, all.begin() + some[i] * 6)) << i;
  EXPECT_EQ(index.vectors({}).size(), 0U);
  const Id beyond[] = {0, 120};
  expect_error(Errc::invalid_argument, {"rows: row 120, expected 0 to 119"}, [&] { index.vectors(beyond); });
}

/// An exact index of the same vectors.
Index copied(const IndexSource& source) {
  const bool sparse = source.index().manifest().schema.vector_kind == VectorKind::sparse;
  const Encoding encoding = sparse ? Encoding::sparse_f32 : Encoding::f32;
  return Index::build(*source.vectors(), {.schema = {.kind = Kind::flat, .first = {.encoding = encoding}}});
}

TEST_P(VectorsOfKind, AreTheInputOfAnotherBuild) {
  Random random(4);
  Vectors vectors = clustered_vectors(random, 150, 6, 3);
  duplicate_rows(random, vectors, 20);
  const Index index = build(vectors, GetParam());
  const std::vector<float> all = dense(index.vectors(all_rows(index)), vectors.dim);
  const Index same = copied(IndexSource(index));
  EXPECT_EQ(dense(same.vectors(all_rows(same)), vectors.dim), all);
  Bitmap filter(index.size());
  std::vector<float> expected;
  for (std::size_t row = 0; row < index.size(); row += 1 + below(random, 4)) {
    filter.set(row);
    expected.insert(expected.end(), all.begin() + row * 6, all.begin() + (row + 1) * 6);
  }
  const Index part = copied(IndexSource(index, &filter));
  EXPECT_EQ(dense(part.vectors(all_rows(part)), vectors.dim), expected);
  const std::vector<InputEntry>& inputs = part.manifest().provenance.inputs;
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_EQ(inputs[0].rows, filter.count());
  EXPECT_NE(inputs[0].xxh3, same.manifest().provenance.inputs[0].xxh3);
}

CASSATA_FOR_CASES(VectorsOfKind, all_cases());

TEST_P(VectorsOfMultivector, AreThoseOfTheFirstStage) {
  Random random(5);
  const Vectors vectors = clustered_vectors(random, 100, 8, 5);
  const Index first = build(vectors, first_params(GetParam()));
  const Index index = join(first, random_tokens(random, vectors.size(), 2, 4, 20, 6), GetParam().layout);
  const std::vector<Id> rows = all_rows(index);
  EXPECT_EQ(dense(index.vectors(rows), vectors.dim), dense(first.vectors(rows), vectors.dim));
}

CASSATA_FOR_CASES(VectorsOfMultivector, multivector_cases());

/// Sums of both stages are closer to the vectors than the second stage's codes alone can be: of the same bits.
TEST(VectorsOfResiduals, AreMoreExactThanCodesOfOneStage) {
  Random random(6);
  const Vectors vectors = clustered_vectors(random, 400, 32, 4);
  const auto loss = [&](Role role) {
    BuildParams params{.schema = {.first = {.encoding = Encoding::rabitq, .code = {.bits = 4}},
                                  .second = Stage{.encoding = Encoding::rabitq, .code = {.bits = 4}, .role = role}}};
    const Index index = build(vectors, params);
    return lost(dense(index.vectors(all_rows(index)), vectors.dim), expected_values(vectors, Metric::dot_product));
  };
  EXPECT_LT(loss(Role::residual), loss(Role::rerank) / 20);
}

}  // namespace
}  // namespace cassata::vectors_test
