#include "bindings/read_vectors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "bindings/columns.h"
#include "bindings/gil.h"
#include "bindings/numpy.h"
#include "cassata/payload.h"

namespace cassata::python {
namespace {

/// The row of an id; none: the index has no such id. Integers are row numbers if the ids are texts. Throws TypeError
/// for another type than int or str.
std::optional<Id> row_of(const Index& index, py::handle id) {
  if (PyUnicode_Check(id.ptr())) {
    Py_ssize_t length = 0;
    if (const char* const bytes = PyUnicode_AsUTF8AndSize(id.ptr(), &length))
      return index.row(std::string_view(bytes, static_cast<std::size_t>(length)));
    PyErr_Clear();  // lone surrogates, which no id has
    return {};
  }
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(id.ptr()));
  if (!number) {
    PyErr_Clear();
    throw py::type_error("ids: " + py::str("{!r:.60}").attr("format")(id).cast<std::string>() +
                         " given, expected ids, which are int or str");
  }
  int overflow = 0;
  const std::int64_t value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) return {};
  if (index.external_ids() == nullptr || index.external_ids()->type() != IdType::text) return index.row(value);
  if (value < 0 || static_cast<std::uint64_t>(value) >= index.size()) return {};
  return static_cast<Id>(value);
}

template <class T>
py::array_t<T> array_of(std::span<const T> values) {
  py::array_t<T> out(static_cast<py::ssize_t>(values.size()));
  std::ranges::copy(values, out.mutable_data());
  return out;
}

py::object sparse_vectors(const Index& index, std::span<const Id> rows) {
  std::optional<Rows> found;
  {
    const WithoutGil without;
    found.emplace(index.vectors(rows));
  }
  const Batch batch = found->batch();
  const std::span offsets(batch.offsets, batch.rows + 1);
  const auto entries = static_cast<std::size_t>(offsets.back());
  return py::make_tuple(array_of(std::span(batch.components, entries)), array_of(std::span(batch.data, entries)),
                        array_of(offsets));
}

/// Decoded some megabytes at a time, so that memory holds the array alone.
py::object dense_vectors(const Index& index, std::span<const Id> rows) {
  constexpr std::size_t kBytes = std::size_t{4} << 20;
  const std::size_t row_bytes = index.dim() * sizeof(float), together = std::max<std::size_t>(1, kBytes / row_bytes);
  py::array_t<float> out({rows.size(), index.dim()});
  float* to = out.mutable_data();
  for (std::size_t begin = 0; begin < rows.size(); begin += together) {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    const std::size_t count = std::min(together, rows.size() - begin);
    const WithoutGil without;
    const Rows some = index.vectors(rows.subspan(begin, count));
    std::memcpy(to, some.batch().data, count * row_bytes);
    to += count * index.dim();
  }
  return out;
}

}  // namespace

std::vector<Id> rows_of(const Index& index, const py::object& ids) {
  if (PyUnicode_Check(ids.ptr()) || PyBytes_Check(ids.ptr()) || !py::isinstance<py::iterable>(ids))
    throw py::type_error("ids: " + py::str("{!r:.60}").attr("format")(ids).cast<std::string>() +
                         " given, expected several, e.g. a list");
  if (py::isinstance<py::array>(ids) && py::reinterpret_borrow<py::array>(ids).ndim() != 1)
    invalid_argument("ids: shape " + py::str(ids.attr("shape")).cast<std::string>() + ", expected one dimension");
  std::vector<Id> rows;
  for (const py::handle id : ids) {
    const std::optional<Id> row = row_of(index, id);
    if (!row) {
      PyErr_SetObject(PyExc_KeyError, id.ptr());
      throw py::error_already_set();
    }
    rows.push_back(*row);
  }
  return rows;
}

py::object vectors_of(const Index& index, const py::object& ids) {
  const std::vector<Id> rows = rows_of(index, ids);
  return index.manifest().schema.vector_kind == VectorKind::sparse ? sparse_vectors(index, rows)
                                                                   : dense_vectors(index, rows);
}

}  // namespace cassata::python
