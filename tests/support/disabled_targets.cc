// Prints the mask of Highway targets that a sanitizer build leaves out: all but scalar code and the best target of this
// machine.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <limits>

#define HWY_WANT_AVX3_DL
#include <hwy/highway.h>

int main() {
  constexpr std::int64_t kScalable = HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128;  // not every kernel can use these
  const std::int64_t usable = hwy::SupportedTargets() & HWY_ATTAINABLE_TARGETS & ~kScalable;
  const std::int64_t kept = (usable & -usable) | HWY_SCALAR | HWY_EMU128;
  std::printf("%" PRId64, ~kept & std::numeric_limits<std::int64_t>::max());
}
