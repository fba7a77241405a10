// Keyword arguments as values of the engine's table of parameters (cassata/parameters.h).
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/error.h"
#include "cassata/parameters.h"
#include "cassata/recommend.h"

namespace cassata::python {

namespace py = pybind11;

/// A str. Paths in it may not be UTF-8, so other bytes are escaped as by Python's file functions.
inline py::str text(std::string_view bytes) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<py::ssize_t>(bytes.size()), "surrogateescape"));
}

[[noreturn]] inline void refuse_type(const ParameterInfo& row, py::handle given, const char* expected) {
  const std::string found = py::str("{!r:.60}").attr("format")(given).cast<std::string>();
  throw py::type_error(std::string(row.name) + ": " + found + " given, expected " + expected);
}

/// A whole number, from any object with __index__ except True and False.
inline std::uint64_t whole_value(const ParameterInfo& row, py::handle given) {
  const auto number =
      PyBool_Check(given.ptr()) ? py::object() : py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
  if (!number) {
    PyErr_Clear();
    refuse_type(row, given, "a whole number");
  }
  const std::uint64_t value = PyLong_AsUnsignedLongLong(number.ptr());
  if (value == static_cast<std::uint64_t>(-1) && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    invalid_argument(std::string(row.name) + ": " + py::str("{!r:.60}").attr("format")(number).cast<std::string>() +
                     " given, expected " + expected_text(row));
  }
  return value;
}

inline double real_value(const ParameterInfo& row, py::handle given) {
  const double value = PyFloat_AsDouble(given.ptr());
  if (value != -1 || PyErr_Occurred() == nullptr) return value;
  const bool too_large = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
  PyErr_Clear();
  if (!too_large) refuse_type(row, given, "a number");
  return std::numeric_limits<double>::infinity();
}

inline bool flag_value(const ParameterInfo& row, py::handle given) {
  const std::string_view type = Py_TYPE(given.ptr())->tp_name;
  if (!PyBool_Check(given.ptr()) && type != "numpy.bool_" && type != "numpy.bool")
    refuse_type(row, given, "True or False");
  return PyObject_IsTrue(given.ptr()) != 0;
}

/// A Python object as a value of the table, without a check of its range. Throws TypeError, or
/// Error(invalid_argument), naming the parameter.
inline Value value_of(const ParameterInfo& row, py::handle given) {
  switch (row.type) {
    case ParameterType::whole: return whole_value(row, given);
    case ParameterType::real: return real_value(row, given);
    case ParameterType::flag: return flag_value(row, given);
    case ParameterType::bytes:
      if (PyUnicode_Check(given.ptr())) return parse_value(row, given.cast<std::string>());
      return whole_value(row, given);
    case ParameterType::choice:
      if (!PyUnicode_Check(given.ptr())) refuse_type(row, given, "a string");
      return parse_value(row, given.cast<std::string>());
    case ParameterType::path: break;
  }
  const auto path = py::reinterpret_steal<py::object>(PyOS_FSPath(given.ptr()));
  if (path) return path.cast<std::string>();
  PyErr_Clear();
  refuse_type(row, given, "a path");
}

/// The names of a table's rows, as objects that are compared by address first, because names in calls are interned.
template <class Params>
class Names {
 public:
  explicit Names(std::span<const Parameter<Params>> table) : table_(table) {
    for (const Parameter<Params>& row : table) {
      std::string name(row.name);
      names_.push_back(PyUnicode_InternFromString(name.c_str()));
    }
  }
  /// Throws TypeError for a name that no row has.
  const Parameter<Params>& row(PyObject* name) const {
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) return table_[i];
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (PyUnicode_Compare(names_[i], name) == 0) return table_[i];
    std::string known;
    for (const Parameter<Params>& one : table_) known += (known.empty() ? "" : ", ") + std::string(one.name);
    throw py::type_error(py::handle(name).cast<std::string>() + ": unknown parameter, expected one of " + known);
  }

 private:
  std::span<const Parameter<Params>> table_;
  std::vector<PyObject*> names_;  // live as long as the interpreter
};

/// Calls `use` with the row and the value of each keyword argument; None means not given.
template <class Params, class Use>
void each_given(const Names<Params>& names, const py::kwargs& given, Use use) {
  PyObject *name = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(given.ptr(), &at, &name, &value) != 0;)
    if (const Parameter<Params>& row = names.row(name); value != Py_None) use(row, value_of(row, value));
}

/// All keyword arguments, checked one by one.
template <class Params>
Given<Params> given_of(std::span<const Parameter<Params>> table, const py::kwargs& arguments) {
  Given<Params> given(table);
  each_given(Names<Params>(table), arguments,
             [&](const ParameterInfo& row, const Value& value) { given.give(row.name, value); });
  return given;
}

inline py::object object_of(const Value& value) {
  switch (value.index()) {
    case 1: return py::bool_(std::get<bool>(value));
    case 2: return py::int_(std::get<std::uint64_t>(value));
    case 3: return py::float_(std::get<double>(value));
    case 4: return text(std::get<std::string>(value));
    default: return py::none();
  }
}

/// A table for Python: a dict for each row.
template <class Params>
void describe_table(std::span<const Parameter<Params>> table, const char* stage, py::list& out) {
  static constexpr const char* kTypes[] = {"int", "float", "bool", "str", "path", "bytes"};
  const Params usual{};
  for (const Parameter<Params>& row : table) {
    const bool number = row.type == ParameterType::whole || row.type == ParameterType::real;
    const auto bound = [&](double value) -> py::object {
      if (!number || std::isinf(value)) return py::none();
      return row.type == ParameterType::real ? py::object(py::float_(value))
                                             : py::int_(static_cast<std::uint64_t>(value));
    };
    py::list choices, applies;
    if (row.choices != nullptr)
      for (const std::string& choice : row.choices()) choices.append(text(choice));
    if (row.applies != nullptr)
      for (const std::string_view tag : row.applies->tags) applies.append(text(tag));
    Value standing = row.get(usual);
    if (standing.index() == 0 && row.type == ParameterType::flag) standing = false;
    py::dict one;
    one["name"] = text(row.name);
    one["option"] = text(option_name(row));
    one["type"] = kTypes[static_cast<std::size_t>(row.type)];
    one["default"] = object_of(standing);
    one["usual"] = row.usual.empty() ? py::object(py::none()) : text(row.usual);
    one["minimum"] = bound(row.minimum);
    one["maximum"] = bound(row.maximum);
    one["above_minimum"] = row.above_minimum;
    one["choices"] = row.choices == nullptr ? py::object(py::none()) : py::tuple(choices);
    one["expected"] = text(expected_text(row));
    one["stage"] = stage;
    one["help"] = text(help_of(row));
    one["applies"] = py::tuple(applies);
    one["only_with"] = row.applies == nullptr ? py::object(py::none()) : text(row.applies->text);
    one["ignored_elsewhere"] = row.ignored_elsewhere;
    out.append(one);
  }
}

}  // namespace cassata::python
