// Documents from Python, as a stream, and back.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/gil.h"
#include "bindings/read_vectors.h"
#include "cassata/error.h"
#include "cassata/index.h"
#include "format/base/text.h"
#include "format/file/mapped_file.h"

namespace cassata::python {

namespace py = pybind11;

/// The items of an iterator: all str, or all bytes, as the first one. Made and destroyed with the GIL; the engine reads
/// without it.
class GivenDocuments final : public DocumentStream {
 public:
  explicit GivenDocuments(const py::iterator& items) : GivenDocuments(items, first_of(items)) {}

  std::optional<std::string_view> next() override {
    const WithGil with;
    item_ = begun_ ? next_of(items_) : item_;
    begun_ = true;
    if (!item_) return std::nullopt;
    const std::string_view view = text() ? text_of() : bytes_of();
    ++count_;
    return view;
  }

 private:
  GivenDocuments(const py::iterator& items, py::object first)
      : DocumentStream("documents", !first || !PyBytes_Check(first.ptr())), items_(items), item_(std::move(first)) {}

  /// Null at the end.
  static py::object next_of(const py::iterator& items) {
    auto item = py::reinterpret_steal<py::object>(PyIter_Next(items.ptr()));
    if (!item && PyErr_Occurred() != nullptr) throw py::error_already_set();
    return item;
  }
  static py::object first_of(const py::iterator& items) { return next_of(items); }

  std::string_view text_of() {
    if (!PyUnicode_Check(item_.ptr())) refuse("str");
    if (PyUnicode_IS_COMPACT_ASCII(item_.ptr()))  // its own memory is UTF-8
      return {static_cast<const char*>(PyUnicode_DATA(item_.ptr())),
              static_cast<std::size_t>(PyUnicode_GET_LENGTH(item_.ptr()))};
    item_ = py::reinterpret_steal<py::object>(PyUnicode_AsUTF8String(item_.ptr()));
    if (item_) return bytes_of();
    PyErr_Clear();
    invalid_argument("documents: document " + std::to_string(count_) +
                     " holds a lone surrogate, expected a text that UTF-8 can hold");
  }
  std::string_view bytes_of() {
    if (!PyBytes_Check(item_.ptr())) refuse("bytes");
    return {PyBytes_AS_STRING(item_.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(item_.ptr()))};
  }
  [[noreturn]] void refuse(const char* expected) const {
    const std::string found = py::str("{!r:.60}").attr("format")(item_).cast<std::string>();
    throw py::type_error("documents: document " + std::to_string(count_) + " is " + found + ", expected " + expected +
                         (count_ == 0 ? " or bytes" : ", as the first one"));
  }

  py::iterator items_;
  py::object item_;  // the present one; null: none
  bool begun_ = false;
  std::uint64_t count_ = 0;
};

/// The documents of ids, as a list of str or bytes. Throws as rows_of().
inline py::list documents_of(const Index& index, const py::object& ids) {
  const std::vector<Id> rows = rows_of(index, ids);
  const Documents* const documents = index.documents();
  if (documents == nullptr)
    invalid_argument("documents: " + index.file().path() + " holds none, expected an index built with documents");
  std::vector<std::string> found;
  {
    const WithoutGil without;
    found = documents->at(rows);
  }
  py::list out(found.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    out[i] = documents->entry().text ? py::object(py::str(found[i])) : py::object(py::bytes(found[i]));
  return out;
}

}  // namespace cassata::python
