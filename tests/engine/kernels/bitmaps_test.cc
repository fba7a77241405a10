// Counts and selections of bits, on every instruction set, between guard pages.
#include "engine/kernels/bitmaps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "cassata/bitmap.h"
#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::bitmaps {
namespace {

using namespace test;

TEST(Bitmaps, AgreeWithSingleBits) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 300; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const std::size_t size = below(random, seed % 4 ? 300 : 3000);
      const std::size_t words = Bitmap::words_for(size);
      const GuardedBytes word_bytes(words * sizeof(std::uint64_t));
      const std::span<std::uint64_t> of(reinterpret_cast<std::uint64_t*>(word_bytes.data()), words);
      Bitmap members(size);
      for (std::size_t i = below(random, size + 1); i > 0; --i) members.set(below(random, size));
      std::ranges::copy(members.words(), of.begin());
      EXPECT_EQ(count(of), members.count());

      const std::size_t n = below(random, 200);
      const GuardedBytes id_bytes(n * sizeof(Id)), out_bytes(Bitmap::words_for(n) * sizeof(std::uint64_t));
      const std::span<Id> ids(reinterpret_cast<Id*>(id_bytes.data()), n);
      const std::span<std::uint64_t> out(reinterpret_cast<std::uint64_t*>(out_bytes.data()), Bitmap::words_for(n));
      Bitmap expected(n);
      for (std::size_t i = 0; i < n; ++i) {
        const Id hostile[] = {static_cast<Id>(size), static_cast<Id>(size + 1), kNoId, Id{1} << 31};
        ids[i] = size != 0 && random() % 8 ? static_cast<Id>(below(random, size)) : hostile[random() % 4];
        if (ids[i] < size && members.test(ids[i])) expected.set(i);
      }
      select(of, size, ids, out);
      EXPECT_TRUE(std::ranges::equal(out, expected.words()));
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::bitmaps
