#include "bindings/given_filters.h"

#include <cstring>
#include <string>

#include "bindings/columns.h"
#include "bindings/gil.h"
#include "bindings/numpy.h"
#include "cassata/condition.h"
#include "cassata/error.h"

namespace cassata::python {
namespace {

/// A bitmap of `size` rows from packed bits, of each byte the lowest first.
Bitmap bitmap_of(const py::array_t<std::uint8_t, py::array::c_style>& bits, std::uint64_t size) {
  if (bits.ndim() != 1 || static_cast<std::size_t>(bits.size()) != (size + 7) / 8)
    invalid_argument("filter: " + std::to_string(bits.size()) + " bytes, expected " + std::to_string((size + 7) / 8) +
                     ", a bit for each row");
  Bitmap out(size);
  if (size != 0) std::memcpy(out.words().data(), bits.data(), static_cast<std::size_t>(bits.size()));
  out.clear_tail();
  return out;
}

}  // namespace

Filters filters_of(const Index& index, const py::list& filters) {
  Filters out;
  for (const py::handle filter : filters) {
    if (py::isinstance<py::dict>(filter)) {
      const Condition condition(term_of(py::reinterpret_borrow<py::object>(filter)));
      const WithoutGil without;
      out.held.push_back(index.rows_where(condition));
    } else if (!filter.is_none()) {
      using Bits = py::array_t<std::uint8_t, py::array::c_style>;
      out.held.push_back(std::make_shared<const Bitmap>(bitmap_of(py::cast<Bits>(filter), index.size())));
    }
    out.pointers.push_back(filter.is_none() ? nullptr : out.held.back().get());
  }
  return out;
}

}  // namespace cassata::python
