#include "cassata/params.h"

#include <limits>
#include <string>

#include "cassata/error.h"
#include "cassata/parameters.h"

namespace cassata {

void BuildParams::check() const { check_values(*this, build_parameters()); }

Verify parse_verify(std::string_view text) {
  if (text == "none") return Verify::none;
  if (text == "touched") return Verify::touched;
  if (text == "all") return Verify::all;
  invalid_argument("verify: '" + std::string(text) + "' given, expected 'none', 'touched' or 'all'");
}

Resident parse_resident(std::string_view text) {
  if (text == "hot") return Resident::hot;
  if (text == "all") return Resident::all;
  invalid_argument("resident: '" + std::string(text) + "' given, expected 'hot' or 'all'");
}

void SearchParams::check() const { check_values(*this, search_parameters()); }

}  // namespace cassata
