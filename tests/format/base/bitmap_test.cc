#include "cassata/bitmap.h"

#include <set>
#include <vector>

#include "tests/support/random.h"

namespace cassata::bitmap_test {
namespace {

using namespace test;

TEST(Bitmap, AgreesWithASet) {
  test::Random random(1);
  for (const std::size_t size : {0, 1, 63, 64, 65, 127, 128, 1000}) {
    SCOPED_TRACE(size);
    Bitmap a(size), b(size);
    std::set<std::size_t> in_a, in_b;
    for (std::size_t i = 0; i < size / 3; ++i) {
      const std::size_t x = below(random, size), y = below(random, size);
      a.set(x), in_a.insert(x);
      b.set(y), in_b.insert(y);
    }
    const auto members = [](const Bitmap& bitmap) {
      std::vector<std::size_t> out;
      bitmap.for_each([&](std::size_t number) { out.push_back(number); });
      return out;
    };
    EXPECT_EQ(members(a), std::vector(in_a.begin(), in_a.end()));
    EXPECT_EQ(a.count(), in_a.size());
    Bitmap both = a, either = a, others = a;
    both &= b;
    either |= b;
    others.invert();
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_EQ(both.test(i), in_a.contains(i) && in_b.contains(i));
      EXPECT_EQ(either.test(i), in_a.contains(i) || in_b.contains(i));
      EXPECT_EQ(others.test(i), !in_a.contains(i));
    }
    EXPECT_EQ(others.count(), size - in_a.size());
    EXPECT_EQ(Bitmap(size, true).count(), size);
    others.invert();
    EXPECT_EQ(others, a);
  }
}

}  // namespace
}  // namespace cassata::bitmap_test
