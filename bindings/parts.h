// The parts of cassata._core that have sources of their own.
#pragma once

#include <pybind11/pybind11.h>

#include "cassata/index.h"

namespace cassata::python {

/// Defines the searches of an index.
void define_searches(pybind11::class_<Index>& index);
/// Defines the fusion of rankings.
void define_fuse(pybind11::module_& module);

}  // namespace cassata::python
