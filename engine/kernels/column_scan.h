// Which values of a column lie in an interval; dispatched at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cassata::kernels::column_scan {

/// Bit i % 64 of words[i / 64] = low <= values[i] <= high, i < n; further bits of the last word are 0. A NaN lies in no
/// interval.
template <class T>
using Between = void (*)(const T* values, std::size_t n, T low, T high, std::uint64_t* words);

/// The kernels of each type of values. They neither allocate nor throw.
struct Kernels {
  Between<std::int64_t> i64;
  Between<double> f64;
  Between<std::uint8_t> u8;
  Between<std::uint16_t> u16;
  Between<std::uint32_t> u32;

  Between<std::int64_t> of(std::int64_t) const { return i64; }
  Between<double> of(double) const { return f64; }
  Between<std::uint8_t> of(std::uint8_t) const { return u8; }
  Between<std::uint16_t> of(std::uint16_t) const { return u16; }
  Between<std::uint32_t> of(std::uint32_t) const { return u32; }
};

Kernels dispatch();

}  // namespace cassata::kernels::column_scan
