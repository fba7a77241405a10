// External ids, fields and conditions between Python and the engine. bindings/cassata/columns.py makes columns of what
// callers give, and NumPy arrays of what a file holds.
#pragma once

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/numpy.h"
#include "cassata/condition.h"
#include "cassata/payload.h"

namespace cassata::python {

template <class T>
using Numbers = py::array_t<T, py::array::c_style>;

/// The UTF-8 of a str, valid while it lives. Throws Error(invalid_argument) for lone surrogates, about `place`.
inline std::string_view utf8_of(py::handle text, const std::string& place) {
  Py_ssize_t length = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &length);
  if (bytes != nullptr) return {bytes, static_cast<std::size_t>(length)};
  PyErr_Clear();
  invalid_argument(place + py::str("{!a:.60}").attr("format")(text).cast<std::string>() +
                   " given, expected a text without lone surrogates");
}

inline Texts texts_of(const py::list& list, const std::string& place) {
  Texts texts;
  for (const py::handle text : list) texts.append(utf8_of(text, place));
  return texts;
}

inline Bitmap bitmap_of(const Numbers<bool>& truths) {
  Bitmap bits(static_cast<std::size_t>(truths.size()));
  for (std::size_t row = 0; row < bits.size(); ++row)
    if (truths.data()[row]) bits.set(row);
  return bits;
}

template <class T>
std::vector<T> copy_of(const py::handle& array) {
  const auto numbers = array.cast<Numbers<T>>();
  return {numbers.data(), numbers.data() + numbers.size()};
}

/// A column as columns.py describes it: (name, type, unit, values, present).
inline Column column_of(const py::tuple& given) {
  Column column{.name = std::string(utf8_of(given[0], "fields: ")), .values = {}};
  const auto type = given[1].cast<std::string>();
  const py::object values = given[3];
  const std::string place = "fields: '" + column.name + "': ";
  if (type == name_of(FieldType::int64)) {
    column.values = copy_of<std::int64_t>(values);
  } else if (type == name_of(FieldType::float64)) {
    column.values = copy_of<double>(values);
  } else if (type == name_of(FieldType::boolean)) {
    column.values = bitmap_of(values.cast<Numbers<bool>>());
  } else if (type == name_of(FieldType::timestamp)) {
    const auto unit = given[2].cast<std::string>();
    TimeUnit known = TimeUnit::seconds;
    for (const TimeUnit one : {TimeUnit::milliseconds, TimeUnit::microseconds, TimeUnit::nanoseconds})
      if (name_of(one) == unit) known = one;
    column.values = Timestamps{known, copy_of<std::int64_t>(values)};
  } else if (type == name_of(FieldType::text)) {
    column.values = texts_of(values.cast<py::list>(), place);
  } else {
    TextLists lists;
    for (const py::handle list : values.cast<py::list>()) {
      for (const py::handle text : py::reinterpret_borrow<py::list>(list)) lists.texts.append(utf8_of(text, place));
      lists.end_list();
    }
    column.values = std::move(lists);
  }
  if (!given[4].is_none()) column.present = bitmap_of(given[4].cast<Numbers<bool>>());
  return column;
}

/// None for `ids` or `fields`: there are none. Ids are an int64 array or a list of str, fields a list of columns.
inline Payload payload_of(const py::object& ids, const py::object& fields) {
  Payload payload;
  if (py::isinstance<py::list>(ids))
    payload.ids = texts_of(ids.cast<py::list>(), "ids: ");
  else if (!ids.is_none())
    payload.ids = copy_of<std::int64_t>(ids);
  if (!fields.is_none())
    for (const py::handle field : fields.cast<py::list>())
      payload.fields.push_back(column_of(py::reinterpret_borrow<py::tuple>(field)));
  return payload;
}

/// An array of objects of this shape; object_at(i) makes the i-th.
template <class ObjectAt>
py::array object_array(const std::vector<std::size_t>& shape, ObjectAt object_at) {
  py::array array(py::dtype("O"), shape);  // of None
  auto** const places = static_cast<PyObject**>(array.mutable_data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(array.size()); ++i) {
    PyObject* const former = places[i];
    places[i] = py::object(object_at(i)).release().ptr();
    Py_XDECREF(former);
  }
  return array;
}

/// A str of a text in a file; bytes that are not UTF-8, in a damaged one, are escaped.
inline py::object id_object(const ExternalId& id) {
  if (const auto* number = std::get_if<std::int64_t>(&id)) return py::int_(*number);
  return text(std::get<std::string_view>(id));
}

/// The ids of all vectors: int64, or an array of str.
inline py::array all_ids(const ExternalIds& ids) {
  const std::vector<std::size_t> shape = {ids.size()};
  if (ids.type() == IdType::text)
    return object_array(shape, [&](std::size_t row) { return id_object(ids.at(static_cast<Id>(row))); });
  Numbers<std::int64_t> out(shape);
  for (std::size_t row = 0; row < ids.size(); ++row)
    out.mutable_data()[row] = std::get<std::int64_t>(ids.at(static_cast<Id>(row)));
  return out;
}

/// (type, unit, values, present) of a field in a file; texts and lists of them are in arrays of objects, None for
/// vectors without a value; present is None if there are none.
inline py::tuple column_object(const Column& column) {
  const std::vector<std::size_t> shape = {column.size()};
  const auto array_of = [&](const auto& values) -> py::object {
    using T = typename std::remove_cvref_t<decltype(values)>::value_type;
    Numbers<T> out(shape);
    std::ranges::copy(values, out.mutable_data());
    return out;
  };
  const auto bools = [&](const Bitmap& bits) -> py::object {
    Numbers<bool> out(shape);
    for (std::size_t row = 0; row < bits.size(); ++row) out.mutable_data()[row] = bits.test(row);
    return out;
  };
  const auto objects = [&](auto object_at) -> py::object {
    return object_array(shape,
                        [&](std::size_t row) -> py::object { return column.has(row) ? object_at(row) : py::none(); });
  };
  std::string_view unit;
  py::object values;
  switch (column.type()) {
    case FieldType::int64: values = array_of(std::get<0>(column.values)); break;
    case FieldType::float64: values = array_of(std::get<1>(column.values)); break;
    case FieldType::boolean: values = bools(std::get<Bitmap>(column.values)); break;
    case FieldType::timestamp:
      unit = name_of(std::get<Timestamps>(column.values).unit);
      values = array_of(std::get<Timestamps>(column.values).values);
      break;
    case FieldType::text:
      values = objects([&](std::size_t row) -> py::object { return text(std::get<Texts>(column.values)[row]); });
      break;
    case FieldType::tags:
      values = objects([&](std::size_t row) -> py::object {
        const auto& lists = std::get<TextLists>(column.values);
        py::list tags;
        for (std::size_t i = lists.begin(row); i < lists.end(row); ++i) tags.append(text(lists.texts[i]));
        return tags;
      });
  }
  return py::make_tuple(text(name_of(column.type())), text(unit), values,
                        column.present.size() == 0 ? py::object(py::none()) : bools(column.present));
}

/// A condition as Python has it: dicts, lists, tuples or sets, and values. Times become texts in the form of ISO 8601.
inline Term term_of(py::handle given) {
  const auto shown = [&] { return py::str("{!r:.60}").attr("format")(given).cast<std::string>(); };
  if (given.is_none()) return {};
  if (PyBool_Check(given.ptr())) return given.ptr() == Py_True;
  if (PyUnicode_Check(given.ptr())) return std::string(utf8_of(given, "filter: "));
  if (PyFloat_Check(given.ptr())) return PyFloat_AsDouble(given.ptr());
  if (PyLong_Check(given.ptr())) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(given.ptr(), &overflow);
    if (overflow != 0) invalid_argument("filter: " + shown() + " given, expected an integer of 64 bits");
    return std::int64_t{number};
  }
  const struct Recursion {
    Recursion() {
      if (Py_EnterRecursiveCall(" in a filter") != 0) throw py::error_already_set();
    }
    ~Recursion() { Py_LeaveRecursiveCall(); }
  } recursion;
  if (PyDict_Check(given.ptr())) {
    Term::Object object;
    for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(given)) {
      if (!PyUnicode_Check(name.ptr()))
        throw py::type_error("filter: " + shown() + " given, expected names that are str");
      object.emplace_back(utf8_of(name, "filter: "), term_of(value));
    }
    return object;
  }
  if (py::isinstance<py::list>(given) || py::isinstance<py::tuple>(given) || PyAnySet_Check(given.ptr())) {
    Term::List list;
    for (const py::handle one : given) list.push_back(term_of(one));
    return list;
  }
  if (py::hasattr(given, "isoformat")) return given.attr("isoformat")().cast<std::string>();
  if (py::hasattr(given, "tolist") && py::hasattr(given, "dtype")) {  // a NumPy array or number
    const bool is_time =
        given.attr("dtype").attr("kind").cast<std::string>() == "M" && !py::isinstance<py::array>(given);
    return is_time ? Term(py::str(given).cast<std::string>()) : term_of(given.attr("tolist")());
  }
  throw py::type_error("filter: " + shown() + " given, expected a dict, a list, a number, a str, a bool or a time");
}

}  // namespace cassata::python
