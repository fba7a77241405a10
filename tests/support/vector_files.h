// Writes arrays in the foreign formats, byte by byte as their specifications say.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/types.h"

namespace cassata::test {

/// rows x dim elements of `type`, as they stand in a file.
struct Array {
  ElementType type = ElementType::f32;
  std::uint32_t rows = 0;
  std::uint32_t dim = 0;
  std::string bytes;

  std::string_view row(std::size_t i) const {
    return std::string_view(bytes).substr(i * dim * element_bytes(type), dim * element_bytes(type));
  }
};

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string npy_header(const std::string& dict, int major = 1) {
  const std::size_t start = major == 1 ? 10 : 12;
  const std::string text = dict + std::string(63 - (start + dict.size()) % 64, ' ') + '\n';
  const std::string length =
      major == 1 ? raw(static_cast<std::uint16_t>(text.size())) : raw(static_cast<std::uint32_t>(text.size()));
  return std::string("\x93NUMPY") + static_cast<char>(major) + '\0' + length + text;
}

inline std::string npy_descr(ElementType type) {
  switch (type) {
    case ElementType::f32: return "<f4";
    case ElementType::f16: return "<f2";
    case ElementType::f64: return "<f8";
    case ElementType::u8: return "|u1";
    case ElementType::i8: return "|i1";
  }
  return {};
}

inline std::string npy_dict(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

inline std::string npy_shape(std::uint64_t rows, std::uint64_t dim) {
  return std::string(1, '(').append(std::to_string(rows)).append(", ").append(std::to_string(dim)).append(")");
}

inline std::string npy_file(const Array& a, int major = 1) {
  return npy_header(npy_dict(npy_descr(a.type), npy_shape(a.rows, a.dim)), major) + a.bytes;
}

/// .fvecs, .bvecs
inline std::string vecs_file(const Array& a) {
  std::string out;
  for (std::size_t i = 0; i < a.rows; ++i) (out += raw(a.dim)) += a.row(i);
  return out;
}

/// .fbin, .u8bin, .i8bin
inline std::string bin_file(const Array& a) { return raw(a.rows) + raw(a.dim) + a.bytes; }

/// A row of a sparse .bin file.
inline std::string sparse_row(const std::vector<std::uint32_t>& components, const std::vector<float>& values) {
  std::string out = raw(static_cast<std::uint32_t>(components.size()));
  for (const std::uint32_t component : components) out += raw(component);
  for (const float value : values) out += raw(value);
  return out;
}

/// The nearest f16, ties to even, by definition.
inline std::uint16_t half_bits(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::abs(double{value});
  if (size == 0) return sign;
  const int exponent = std::max(std::ilogb(size), -14);
  const double steps = std::nearbyint(std::ldexp(size, 10 - exponent));  // of the last bit
  if (std::ldexp(steps, exponent - 10) > 65504) return sign | 0x7C00;
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + static_cast<int>(steps)));
}

/// The value of an f16 by its definition (IEEE 754-2019, 3.4): sign, 5 bits of exponent, 10 of fraction.
inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent == 31)
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

}  // namespace cassata::test
