#include "cassata/params.h"

#include <limits>
#include <string>

#include "cassata/error.h"

namespace cassata {

void BuildParams::check() const {
  if (m < kMinM || m > kMaxM)
    invalid_argument("m: " + std::to_string(m) + " given, expected " + std::to_string(kMinM) + " to " +
                     std::to_string(kMaxM));
  if (rerank) rerank->check();
  if (kind == Kind::postings) postings.check();
  if (ef_construction < 1 || ef_construction > kMaxSize)
    invalid_argument("ef_construction: " + std::to_string(ef_construction) + " given, expected 1 to " +
                     std::to_string(kMaxSize));
}

void RerankChoices::check() const {
  if (!(prune_percentage >= 0 && prune_percentage <= 100))
    invalid_argument("prune_percentage: " + std::to_string(prune_percentage) + " given, expected 0 to 100");
}

void PostingsChoices::check() const {
  if (!(summary_energy > 0 && summary_energy <= 1))
    invalid_argument("summary_energy: " + std::to_string(summary_energy) + " given, expected over 0 and at most 1");
  if (n_knn > kMaxKnn)
    invalid_argument("n_knn: " + std::to_string(n_knn) + " given, expected 0 to " + std::to_string(kMaxKnn));
}

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

void SearchParams::check() const {
  if (!(heap_factor >= 0 && heap_factor <= 1))
    invalid_argument("heap_factor: " + std::to_string(heap_factor) + " given, expected 0 to 1");
  if (!(early_exit_threshold >= 0 && early_exit_threshold <= std::numeric_limits<float>::max()))
    invalid_argument("early_exit_threshold: " + std::to_string(early_exit_threshold) +
                     " given, expected a finite number from 0 on");
  if (alpha && !(*alpha >= 0 && *alpha <= std::numeric_limits<float>::max()))
    invalid_argument("alpha: " + std::to_string(*alpha) + " given, expected a finite number from 0 on");
}

}  // namespace cassata
