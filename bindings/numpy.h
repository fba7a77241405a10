// The rules by which NumPy arrays and the engine share memory. Nothing here copies a matrix.
//
//   queries     C-contiguous float32 (rows, dim), borrowed
//   sparse      uint32 components, float32 values, uint64 offsets, borrowed
//   collection  f32, f16, f64, u8 or i8 (rows, dim) with any strides, borrowed and streamed row by row
//   results     arrays made for the call, written in place
#pragma once

#include <pybind11/numpy.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "cassata/stream.h"
#include "cassata/types.h"
#include "format/input/sparse_files.h"

namespace cassata::python {

namespace py = pybind11;

/// With py::arg().noconvert(), only C-contiguous float32 arrays.
using FloatArray = py::array_t<float, py::array::c_style>;

/// The array's own memory, valid while the array lives. Throws Error(invalid_argument) unless it is (rows, dim).
inline Batch borrow(const FloatArray& array) {
  if (array.ndim() != 2)
    invalid_argument("queries: " + std::to_string(array.ndim()) + " dimensions, expected (rows, dim)");
  return {.data = array.data(),
          .rows = static_cast<std::size_t>(array.shape(0)),
          .dim = static_cast<std::size_t>(array.shape(1))};
}

using ComponentArray = py::array_t<std::uint32_t, py::array::c_style>;
using OffsetArray = py::array_t<std::uint64_t, py::array::c_style>;

/// An array's numbers, one after another.
template <class T>
std::span<const T> span(const py::array_t<T, py::array::c_style>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

/// An array that owns the numbers.
template <class T>
py::array_t<T> array_of(std::vector<T> numbers) {
  auto held = std::make_unique<std::vector<T>>(std::move(numbers));
  const py::capsule owner(held.get(), [](void* all) { delete static_cast<std::vector<T>*>(all); });
  const std::vector<T>& all = *held.release();
  return py::array_t<T>(static_cast<py::ssize_t>(all.size()), all.data(), owner);
}

/// Compressed rows in the arrays' own memory. Throws Error(invalid_argument) unless the offsets fit the entries.
inline Batch borrow(const ComponentArray& components, const FloatArray& values, const OffsetArray& offsets) {
  check_offsets("offsets", span(offsets), components.size(), values.size());
  return {.data = values.data(),
          .rows = static_cast<std::size_t>(offsets.size() - 1),
          .dim = 0,
          .components = components.data(),
          .offsets = offsets.data()};
}

/// The queries with token vectors, (tokens, dim) and where those of each query begin, in the arrays' own memory; none:
/// the queries unchanged. Throws Error(invalid_argument) unless the offsets fit.
inline Batch borrow(Batch queries, const std::optional<std::tuple<FloatArray, OffsetArray>>& tokens) {
  if (!tokens) return queries;
  const auto& [values, offsets] = *tokens;
  const Batch matrix = borrow(values);
  check_offsets("tokens", span(offsets), matrix.rows, matrix.rows);
  if (static_cast<std::size_t>(offsets.size()) != queries.rows + 1)
    invalid_argument("tokens: of " + std::to_string(offsets.size() - 1) + " queries, expected " +
                     std::to_string(queries.rows));
  queries.tokens = {.data = matrix.data, .dim = matrix.dim, .offsets = offsets.data()};
  return queries;
}

/// The engine's name for the type of the array's elements; they must be in the machine's byte order.
inline ElementType element_type(const py::array& array) {
  const py::dtype type = array.dtype();
  const auto is = [&](char kind, py::ssize_t bytes) { return type.kind() == kind && type.itemsize() == bytes; };
  if (is('f', 4)) return ElementType::f32;
  if (is('f', 2)) return ElementType::f16;
  if (is('f', 8)) return ElementType::f64;
  if (is('u', 1)) return ElementType::u8;
  if (is('i', 1)) return ElementType::i8;
  invalid_argument("data_vec: dtype " + std::string(py::str(py::handle(type))) +
                   ", expected float32, float16, float64, uint8 or int8");
}

/// Rows that are not contiguous, e.g. of a slice or a Fortran-ordered array: gathered when they are read.
class StridedStream final : public DenseStream {
 public:
  StridedStream(std::string name, const py::array& array, ElementType type)
      : DenseStream(std::move(name), static_cast<std::uint64_t>(array.shape(0)),
                    static_cast<std::size_t>(array.shape(1)), type),
        first_(static_cast<const std::byte*>(array.data())),
        row_stride_(array.strides(0)),
        stride_(array.strides(1)) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t rows) override {
    const auto bytes = static_cast<py::ssize_t>(element_bytes(element_type()));
    std::byte* to = out.data();
    for (std::size_t i = 0; i < rows * dim(); ++i, to += bytes) {
      const auto row = static_cast<py::ssize_t>(next_ + i / dim()), column = static_cast<py::ssize_t>(i % dim());
      std::memcpy(to, first_ + row * row_stride_ + column * stride_, static_cast<std::size_t>(bytes));
    }
    next_ += rows;
  }

  const std::byte* first_;
  py::ssize_t row_stride_;  // in bytes, like the next; negative in a reversed array
  py::ssize_t stride_;
  std::size_t next_ = 0;
};

/// A stream over the array's own memory, valid while the array lives. Throws Error(invalid_argument) unless it is
/// (rows, dim).
inline std::unique_ptr<DenseStream> stream(std::string name, const py::array& array) {
  if (array.ndim() != 2)
    invalid_argument(name + ": " + std::to_string(array.ndim()) + " dimensions, expected (rows, dim)");
  const ElementType type = element_type(array);
  if ((array.flags() & py::array::c_style) == 0) return std::make_unique<StridedStream>(std::move(name), array, type);
  return memory_stream(std::move(name), array.data(), static_cast<std::uint64_t>(array.shape(0)),
                       static_cast<std::size_t>(array.shape(1)), type);
}

}  // namespace cassata::python
