#include "engine/params.h"

#include <string>

#include "format/error.h"

namespace cassata {

void BuildParams::check() const {
  if (m < kMinM || m > kMaxM)
    invalid_argument("m: " + std::to_string(m) + " given, expected " + std::to_string(kMinM) + " to " + std::to_string(kMaxM));
  if (ef_construction < 1 || ef_construction > kMaxSize)
    invalid_argument("ef_construction: " + std::to_string(ef_construction) + " given, expected 1 to " + std::to_string(kMaxSize));
}

void SearchParams::check() const {
  if (!(early_exit_threshold >= 0 && early_exit_threshold <= 0.5F))
    invalid_argument("early_exit_threshold: " + std::to_string(early_exit_threshold) + " given, expected 0 to 0.5");
}

}  // namespace cassata
