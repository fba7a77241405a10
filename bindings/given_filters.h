// Filters from Python.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "cassata/bitmap.h"
#include "cassata/index.h"

namespace cassata::python {

/// One bitmap for each filter: packed bits, a condition over fields, or None.
struct Filters {
  std::vector<std::shared_ptr<const Bitmap>> held;
  std::vector<const Bitmap*> pointers;
};

/// Throws Error(invalid_argument) for a filter that does not fit the index.
Filters filters_of(const Index& index, const pybind11::list& filters);

}  // namespace cassata::python
