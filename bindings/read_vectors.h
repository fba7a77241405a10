// The rows that ids name, and their vectors.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "cassata/index.h"

namespace cassata::python {

namespace py = pybind11;

/// The rows of several ids: those of an array of one dimension, or of anything else that can be iterated. Throws
/// TypeError, ValueError for another shape, KeyError for an id that the index does not have.
std::vector<Id> rows_of(const Index& index, const py::object& ids);

/// Dense vectors as float32 (len(ids), dim); sparse ones as components, values and offsets. Throws as rows_of().
py::object vectors_of(const Index& index, const py::object& ids);

}  // namespace cassata::python
