// Tables, sums of their entries and nearest centroids: right, the same whichever function computes them, and reading
// nothing past the rows.
#include "engine/kernels/table_lookup.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::table_lookup {
namespace {

using test::below;
using test::for_each_target;
using test::GuardedBytes;
using test::Random;

std::vector<float> normal_values(Random& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

TEST(LookupKernels, ATableHoldsTheDistancesToTheCentroids) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 60; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const Metric metric = seed % 2 ? Metric::euclidean : Metric::dot_product;
      const std::size_t dims = 1 + below(random, seed % 10 ? 20 : 400);
      const std::vector<float> query = normal_values(random, dims), codebook = normal_values(random, dims * kCentroids);
      std::vector<float> table(kCentroids + 1, 77);
      dispatch(metric).fill(query.data(), dims, codebook.data(), table.data());
      for (std::size_t c = 0; c < kCentroids; ++c) {
        double expected = 0;
        for (std::size_t j = 0; j < dims; ++j) {
          const double q = query[j], x = codebook[j * kCentroids + c];
          expected += metric == Metric::euclidean ? (q - x) * (q - x) : -q * x;
        }
        ASSERT_NEAR(table[c], expected, 1e-5 * static_cast<double>(dims)) << "centroid " << c;
      }
      ASSERT_EQ(table[kCentroids], 77) << "wrote past the table";
    }
  });
}

/// Codes that end where reading is an error, a byte or more after the beginning of a line.
struct Rows {
  std::size_t subspaces, count;
  GuardedBytes bytes;

  Rows(Random& random, std::size_t subspaces_, std::size_t count_)
      : subspaces(subspaces_), count(count_), bytes(subspaces * count) {
    for (std::size_t i = 0; i < subspaces * count; ++i) bytes.data()[i] = static_cast<std::byte>(random());
  }
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }
  const std::uint8_t* row(std::size_t i) const { return data() + i * subspaces; }
};

TEST(LookupKernels, ARowIsTheSumOfTheEntriesItNames) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 100; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const Rows rows(random, 1 + below(random, 200), 1 + below(random, 40));
      const std::vector<float> tables = normal_values(random, rows.subspaces * kCentroids);
      const Kernels kernels = dispatch(Metric::dot_product);
      const std::size_t first = below(random, rows.count);
      std::vector<float> range(rows.count - first);
      kernels.range(tables.data(), rows.subspaces, rows.data(), first, range.size(), range.data());
      std::vector<Id> ids(below(random, 100));
      for (Id& id : ids) id = static_cast<Id>(first + below(random, rows.count - first));
      std::vector<float> gathered(ids.size());
      kernels.gather(tables.data(), rows.subspaces, rows.data(), ids.data(), ids.size(), gathered.data());
      for (std::size_t i = 0; i < range.size(); ++i) {
        double expected = 0;
        for (std::size_t s = 0; s < rows.subspaces; ++s) expected += tables[s * kCentroids + rows.row(first + i)[s]];
        ASSERT_NEAR(range[i], expected, 1e-5 * static_cast<double>(rows.subspaces)) << "row " << first + i;
      }
      for (std::size_t i = 0; i < ids.size(); ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(gathered[i]), std::bit_cast<std::uint32_t>(range[ids[i] - first]))
            << "place " << i;
    }
  });
}

TEST(LookupKernels, EverySubspaceCounts) {
  for_each_target([] {
    for (std::size_t subspaces = 1; subspaces <= 40; ++subspaces)
      for (std::size_t s = 0; s < subspaces; ++s) {
        std::vector<float> tables(subspaces * kCentroids, 0);
        tables[s * kCentroids + 255] = 3;
        const std::vector<std::uint8_t> row(subspaces, 255);
        float distance = 0;
        dispatch(Metric::euclidean).range(tables.data(), subspaces, row.data(), 0, 1, &distance);
        ASSERT_EQ(distance, 3) << subspaces << " subspaces, the " << s << "-th";
      }
  });
}

TEST(LookupKernels, NoRowsNoReads) {
  for_each_target([] {
    const Kernels kernels = dispatch(Metric::euclidean);
    const GuardedBytes nothing(0);
    const auto* rows = reinterpret_cast<const std::uint8_t*>(nothing.data());
    kernels.gather(nullptr, 8, rows, nullptr, 0, nullptr);
    kernels.range(nullptr, 8, rows, 0, 0, nullptr);
    nearest_centroids(nullptr, 64, 0, 4, nullptr, nullptr);
  });
}

TEST(NearestCentroids, AreThoseOfTheSmallestDistance) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 60; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const std::size_t dims = 1 + below(random, 12), n = 1 + below(random, 150), stride = n + below(random, 20);
      std::vector<float> vectors(dims * stride),
          codebook(dims * kCentroids);  // whole numbers: distances are exact, and often equal
      for (float& value : vectors) value = static_cast<float>(below(random, 9));
      for (float& value : codebook) value = static_cast<float>(below(random, 9));
      std::vector<std::uint8_t> codes(n + 1, 77);
      nearest_centroids(vectors.data(), stride, n, dims, codebook.data(), codes.data());
      for (std::size_t i = 0; i < n; ++i) {
        std::size_t nearest = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < kCentroids; ++c) {
          double distance = 0;
          for (std::size_t j = 0; j < dims; ++j)
            distance += std::pow(double{vectors[j * stride + i]} - double{codebook[j * kCentroids + c]}, 2);
          if (distance < least) least = distance, nearest = c;
        }
        ASSERT_EQ(codes[i], nearest) << "vector " << i << " of " << n;
      }
      ASSERT_EQ(codes[n], 77) << "wrote past the codes";
    }
  });
}

TEST(NearestCentroids, PassOverWhatIsNotFinite) {
  static constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                         kNaN = std::numeric_limits<float>::quiet_NaN();
  for_each_target([] {
    std::vector<float> codebook(kCentroids, kNaN), vectors(70, 3e38F);
    std::vector<std::uint8_t> codes(vectors.size());
    nearest_centroids(vectors.data(), vectors.size(), vectors.size(), 1, codebook.data(), codes.data());
    EXPECT_EQ(codes, std::vector<std::uint8_t>(vectors.size(), 0));
    codebook.assign(kCentroids, -3e38F);  // so far off that the square is infinite
    codebook[7] = kInfinity;
    codebook[200] = 3e38F;
    nearest_centroids(vectors.data(), vectors.size(), vectors.size(), 1, codebook.data(), codes.data());
    EXPECT_EQ(codes, std::vector<std::uint8_t>(vectors.size(), 200));
  });
}

}  // namespace
}  // namespace cassata::kernels::table_lookup
