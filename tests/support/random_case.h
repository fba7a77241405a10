// Collections of vectors from a seed, plain and as the engine stores them.
#pragma once

#include <cstddef>
#include <memory>
#include <random>
#include <vector>

#include "engine/codes/codes.h"
#include "tests/support/random.h"

namespace cassata::test {

struct Vectors {
  std::size_t dim = 1;
  std::vector<float> values;

  std::size_t size() const { return values.size() / dim; }
  const float* row(std::size_t i) const { return values.data() + i * dim; }
  VectorView view(std::size_t i) const { return {.values = {row(i), dim}}; }
  Batch matrix() const { return {values.data(), size(), dim}; }
  Vectors part(std::size_t first, std::size_t count) const { return {dim, {row(first), row(first) + count * dim}}; }
};

/// Whole numbers from -4 to 4: every distance is exact in f32, from f16 rows too, and many are equal.
inline Vectors whole_vectors(Random& random, std::size_t n, std::size_t dim) {
  Vectors out{dim, std::vector<float>(n * dim)};
  for (float& v : out.values) v = static_cast<float>(below(random, 9)) - 4;
  return out;
}

inline Vectors normal_vectors(Random& random, std::size_t n, std::size_t dim, float deviation = 1) {
  Vectors out{dim, std::vector<float>(n * dim)};
  std::normal_distribution<float> normal(0, deviation);
  for (float& v : out.values) v = normal(random);
  return out;
}

/// Clouds around `clusters` random centres, in random order.
inline Vectors clustered_vectors(Random& random, std::size_t n, std::size_t dim, std::size_t clusters) {
  const Vectors centres = normal_vectors(random, clusters, dim);
  Vectors out = normal_vectors(random, n, dim, 0.3F);
  for (std::size_t i = 0; i < n; ++i) {
    const float* centre = centres.row(below(random, clusters));
    for (std::size_t j = 0; j < dim; ++j) out.values[i * dim + j] += centre[j];
  }
  return out;
}

/// Makes about `percent` of the rows copies of others.
inline void duplicate_rows(Random& random, Vectors& vectors, std::size_t percent) {
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    if (below(random, 100) >= percent) continue;
    const std::size_t from = below(random, vectors.size());
    for (std::size_t j = 0; j < vectors.dim; ++j) vectors.values[i * vectors.dim + j] = vectors.values[from * vectors.dim + j];
  }
}

/// Vectors in an encoding, as in a section of a file.
class StoredVectors {
 public:
  StoredVectors(std::unique_ptr<Encoder> encoder, const Vectors& vectors)
      : encoder_(std::move(encoder)), bytes_(vectors.size() * encoder_->row_bytes()) {
    encoder_->encode(vectors.matrix(), "vectors", 0, bytes_);
    codes_ = encoder_->open(section(), vectors.size());
  }
  const Codes& codes() const { return *codes_; }
  Section section() const { return {.file = "file", .name = "rows", .offset = 4096, .bytes = bytes_}; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::unique_ptr<Encoder> encoder_;
  std::vector<std::byte> bytes_;
  std::unique_ptr<Codes> codes_;
};

}  // namespace cassata::test
