#include "cassata/checksum.h"

#include <gtest/gtest.h>

#include "tests/support/index_file.h"

namespace cassata::checksum_test {
namespace {

using namespace test;

TEST(Checksum, IsXxh3) {
  EXPECT_EQ(xxh3({}), 0x2D06800538D394C2u);
  const std::string text = "cassata";
  EXPECT_EQ(xxh3(std::as_bytes(std::span(text))), 0x20594bc07f636c7du);
}

TEST(Checksum, OfPiecesIsThatOfTheWhole) {
  Xxh3 hash;
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Bytes bytes = random_bytes(random, below(random, 5000));
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const auto piece = rest.first(1 + below(random, rest.size()));
      hash.update(piece);
      rest = rest.subspan(piece.size());
    }
    ASSERT_EQ(hash.digest(), xxh3(bytes));
    hash.reset();
  }
}

TEST(Checksum, MovesWithItsState) {
  const std::string text = "a part";
  Xxh3 hash;
  hash.update(std::as_bytes(std::span(text)));
  const Xxh3 moved = std::move(hash);
  EXPECT_EQ(moved.digest(), xxh3(std::as_bytes(std::span(text))));
}

}  // namespace
}  // namespace cassata::checksum_test
