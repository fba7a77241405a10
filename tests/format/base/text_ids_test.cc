#include "format/base/text_ids.h"

#include <gtest/gtest.h>

#include <functional>

namespace cassata {
namespace {

TEST(TextIds, NumbersAreInTheOrderOfTheTexts) {
  const TextIds ids({"b", "a", "b", "c"});
  EXPECT_EQ(ids.number("a"), 0);
  EXPECT_EQ(ids.number("c"), 2);
  EXPECT_EQ(ids.text(1), "b");
  EXPECT_EQ(TextIds({"b", "a"}, std::greater<>()).number("a"), 1);
}

}  // namespace
}  // namespace cassata
