// A decoder of int8, int4 and rabitq codes, written by docs/format.md alone.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "engine/codec/packed_rows.h"
#include "engine/codec/quantized.h"
#include "tests/support/random_case.h"

namespace cassata::test {

/// The encodings int8, int4, and rabitq with 1 to 8 bits.
struct Form {
  std::string name;
  unsigned bits;
  bool rotated;
  std::unique_ptr<Encoder> (*encoder)(const CodesSpec& spec);
  std::unique_ptr<Codes> (*open)(const RowSections& sections, std::uint64_t size, const CodesSpec& spec);

  CodesSpec spec(std::size_t dim, Metric metric, bool linear = false) const {
    return {.dim = dim, .metric = metric, .code = {.bits = rotated ? bits : 0}, .linear = linear};
  }
};

inline const Form kInt8{"int8", 8, false, encoder_dense_int8, open_packed<codec_dense_int8>},
    kInt4{"int4", 4, false, encoder_dense_int4, open_packed<codec_dense_int4>};
inline Form rabitq(unsigned bits) {
  return {"rabitq of " + std::to_string(bits), bits, true, encoder_rabitq, open_packed<codec_rabitq>};
}

inline std::vector<Form> all_forms() {
  std::vector<Form> forms = {kInt8, kInt4};
  for (unsigned bits = 1; bits <= CodeParams::kMaxBits; ++bits) forms.push_back(rabitq(bits));
  return forms;
}

inline std::vector<float> decoded(const Codes& codes, std::size_t id) {
  std::vector<float> out(codes.dim());
  codes.dense_rows()->decode(static_cast<Id>(id), out.data());
  return out;
}

/// Reads the rows of codes.
class Book {
 public:
  Book(const Form& form, const RowSections& sections, std::size_t dim)
      : form_(form), dim_(dim), rows_(sections.rows.bytes), model_(sections.model.bytes) {}

  double mean(std::size_t i) const { return f32(model_, 4 * i); }
  /// scale, bias, rest
  double head(std::size_t row, std::size_t which) const { return f32(rows_, row * row_bytes() + 4 * which); }

  std::size_t row_bytes() const {
    std::size_t bytes = 12;
    for (unsigned width = 8; width > 0; width /= 2) bytes += part_bytes(width);
    return bytes;
  }

  unsigned code(std::size_t row, std::size_t i) const {
    std::size_t part = row * row_bytes() + 12;
    unsigned code = 0, left = form_.bits;
    for (unsigned width = 8; width > 0; part += part_bytes(width), width /= 2) {
      if (part_bytes(width) == 0) continue;
      left -= width;
      const auto byte = std::to_integer<unsigned>(rows_[part + i * width / 8]);
      code |= (byte >> i * width % 8 & ((1u << width) - 1)) << left;
    }
    return code;
  }

  /// The decoded row, before the inverse of the preprocessing.
  std::vector<double> coded(std::size_t row) const {
    std::vector<double> out(dim_);
    for (std::size_t i = 0; i < dim_; ++i) out[i] = head(row, 1) + head(row, 0) * code(row, i);
    return out;
  }

  /// The factor of the mean that is subtracted from a query.
  double share(Metric metric, const float* query) const {
    double product = 0, squares = 0;
    for (std::size_t i = 0; i < dim_; ++i) product += mean(i) * query[i], squares += mean(i) * mean(i);
    return metric == Metric::euclidean ? 1 : squares > 0 ? product / squares : 0;
  }
  std::vector<double> query(Metric metric, const float* values) const { return enter(values, share(metric, values)); }

  std::vector<double> enter(const float* values, double share = 1) const {
    std::vector<double> out(dim_);
    for (std::size_t i = 0; i < dim_; ++i) out[i] = values[i] - share * mean(i);
    for (std::size_t round = 0; form_.rotated && round < 4; ++round) {
      for (std::size_t i = 0; i < dim_; ++i) out[i] *= sign(round, i);
      transform(round, out);
    }
    return out;
  }
  std::vector<double> leave(std::vector<double> values) const {
    for (std::size_t round = 4; form_.rotated && round-- > 0;) {
      transform(round, values);
      for (std::size_t i = 0; i < dim_; ++i) values[i] *= sign(round, i);
    }
    for (std::size_t i = 0; i < dim_; ++i) values[i] += mean(i);
    return values;
  }

 private:
  static double f32(std::span<const std::byte> bytes, std::size_t at) {
    float value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
  std::size_t part_bytes(unsigned width) const {
    return (form_.bits & width) == 0 ? 0 : (dim_ * width + 127) / 128 * 16;
  }
  int sign(std::size_t round, std::size_t i) const {
    return model_[4 * dim_ + round * dim_ + i] == std::byte{1} ? 1 : -1;
  }

  /// The Hadamard matrix: (-1)^(number of common 1 bits of i and j) in row i and column j.
  void transform(std::size_t round, std::vector<double>& values) const {
    const std::size_t length = std::bit_floor(dim_), begin = round % 2 == 0 ? 0 : dim_ - length;
    const std::vector<double> from(values.begin() + static_cast<std::ptrdiff_t>(begin), values.end());
    for (std::size_t i = 0; i < length; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < length; ++j) sum += std::popcount(i & j) % 2 == 0 ? from[j] : -from[j];
      values[begin + i] = sum / std::sqrt(static_cast<double>(length));
    }
  }

  Form form_;
  std::size_t dim_;
  std::span<const std::byte> rows_, model_;
};

inline double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

inline double largest_magnitude(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// A bound on the error of a product with `with` from rounding a query to 8 bits: 6 standard deviations.
inline double rounding(const std::vector<double>& query, const std::vector<double>& with) {
  return 6 * largest_magnitude(query) / 127 / std::sqrt(12.0) * std::sqrt(product(with, with)) +
         1e-4 * (1 + std::sqrt(product(with, with) * product(query, query)));
}

/// Errors of the distances from queries that are near the vectors: their sum, and the sum of their squares.
struct Errors {
  double sum = 0, squares = 0, count = 0;
  void add(double error) { sum += error, squares += error * error, ++count; }
  double root_mean_square() const { return std::sqrt(squares / count); }
};

inline Vectors random_vectors(Random& random) {
  return clustered_vectors(random, 1 + below(random, 60), 1 + below(random, random() % 4 ? 40 : 300), 5);
}

}  // namespace cassata::test
