// Which ids are new: none is lost, whatever the ids, on every instruction set, and nothing is touched beyond what is
// told.
#include "engine/kernels/unvisited.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::unvisited {
namespace {

using namespace test;

TEST(Unvisited, LosesNoNewIdAndMakesUpNone) {
  for_each_target([] {
    const bool filters = (hwy::SupportedTargets() & (HWY_AVX2 | HWY_AVX3)) != 0;
    for (unsigned seed = 0; seed < 400; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const auto size = static_cast<Id>(below(random, seed % 4 ? 300 : 3000));
      const GuardedBytes word_bytes((size / 32 + 1) * sizeof(std::uint32_t));
      auto* const words = reinterpret_cast<std::uint32_t*>(word_bytes.data());
      const auto set = [&](Id id) { words[id / 32] |= std::uint32_t{1} << id % 32; };
      std::set<Id> met;
      set(size);
      for (std::size_t i = below(random, size + 1); i > 0; --i) {
        const auto id = static_cast<Id>(below(random, size));
        set(id);
        met.insert(id);
      }
      const std::size_t n = below(random, 70);
      const GuardedBytes id_bytes(n * sizeof(Id)), out_bytes(n * sizeof(Id));
      const std::span<Id> ids(reinterpret_cast<Id*>(id_bytes.data()), n);
      std::vector<Id> fresh;
      for (Id& id : ids) {
        const Id hostile[] = {size, size + 1, kNoId, Id{1} << 31, static_cast<Id>(random())};
        id = size != 0 && random() % 8 ? static_cast<Id>(below(random, size)) : hostile[random() % 5];
        if (id < size && !met.contains(id)) fresh.push_back(id);
      }
      auto* const out = reinterpret_cast<Id*>(out_bytes.data());
      const std::size_t count = filter(words, size, ids, out);
      ASSERT_LE(count, n);
      const std::vector<Id> found(out, out + count);
      auto rest = ids.begin();
      for (const Id id : found) {  // some of the ids, in their order
        rest = std::find(rest, ids.end(), id);
        ASSERT_NE(rest, ids.end()) << id;
        ++rest;
      }
      std::vector<Id> of_them;
      std::ranges::copy_if(found, std::back_inserter(of_them), [&](Id id) { return id < size && !met.contains(id); });
      ASSERT_EQ(of_them, fresh);
      if (filters) ASSERT_LE(count, fresh.size() + 15);  // what fills no vector
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::unvisited
