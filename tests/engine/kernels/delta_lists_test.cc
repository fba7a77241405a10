// Delta-coded lists: decoded correctly on every instruction set; arbitrary bytes lead to no access beyond the guards.
#include "engine/kernels/delta_lists.h"

// As in delta_lists.cc, so that all of its instruction sets are tested.
#define HWY_WANT_AVX3_DL
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::delta_lists {
namespace {

using namespace test;

using Widths = std::vector<std::uint8_t>;

/// Classes up to the widths that the kinds of kernels can take, and up to the largest.
Widths random_widths(Random& random) {
  constexpr std::size_t kMost[] = {14, 16, 25, kMaxWidth};
  const std::size_t most = kMost[below(random, 4)];
  Widths widths;
  std::uint64_t first = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    widths.push_back(static_cast<std::uint8_t>(below(random, c < 4 ? 8 : most + 1)));
    first += std::uint64_t{1} << widths.back();
    if (first >= std::uint64_t{1} << 32) widths.back() = 0;
  }
  return widths;
}

/// A list's bytes, bit by bit, in the format of delta_lists.h. 0 stands for the list's own number.
std::vector<std::byte> encode(const Widths& widths, const std::vector<std::uint32_t>& deltas) {
  std::vector<bool> front, back;
  for (const std::uint32_t delta : deltas) {
    std::size_t c = 0;
    std::uint64_t first = 0;
    for (; delta != 0 && delta - 1 >= first + (std::uint64_t{1} << widths[c]); ++c)
      first += std::uint64_t{1} << widths[c];
    if (delta == 0) c = kSelfClass;
    for (std::size_t bit = 0; bit < 3; ++bit) front.push_back(c >> bit & 1);
    const std::size_t width = delta == 0 ? 0 : widths[c];
    for (std::size_t bit = width; bit-- > 0;) back.push_back((delta - 1 - first) >> bit & 1);
  }
  const std::size_t bits = (front.size() + back.size() + 7) / 8 * 8;
  if (bits - front.size() - back.size() >= 3) front.insert(front.end(), 3, true);
  std::vector<bool> all = front;
  all.resize(bits - back.size());
  all.insert(all.end(), back.rbegin(), back.rend());
  std::vector<std::byte> bytes(bits / 8);
  for (std::size_t i = 0; i < bits; ++i) bytes[i / 8] |= static_cast<std::byte>(unsigned{all[i]} << i % 8);
  return bytes;
}

/// The list that any bytes hold, in the format of delta_lists.h.
std::vector<Id> decode(const Widths& widths, const std::vector<std::byte>& bytes, Id self, std::size_t most) {
  const auto bit = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i / 8]) >> i % 8 & 1; };
  std::size_t front = 0, back = 8 * bytes.size(), place = most;
  std::vector<std::uint32_t> deltas;
  while (deltas.size() < most && front + 3 <= back) {
    const unsigned c = bit(front) | bit(front + 1) << 1 | bit(front + 2) << 2;
    const std::size_t width = c == kSelfClass ? 0 : widths[c];
    if (front + 3 + width > back || (c == kSelfClass && place != most)) break;
    if (c == kSelfClass) place = deltas.size();
    front += 3;
    back -= width;
    std::uint32_t delta = c == kSelfClass ? 0 : 1;
    for (std::size_t before = 0; c != kSelfClass && before < c; ++before) delta += std::uint32_t{1} << widths[before];
    for (std::size_t i = 0; i < width; ++i) delta += bit(back + i) << i;
    deltas.push_back(delta);
  }
  std::vector<Id> numbers(deltas.size());
  if (place == most) {  // without a number of its own
    for (std::size_t i = 0; i < deltas.size(); ++i) numbers[i] = i == 0 ? self : numbers[i - 1] + deltas[i - 1];
    return numbers;
  }
  Id number = self;
  for (std::size_t i = place; i-- > 0;) numbers[i] = number -= deltas[i];
  number = self;
  for (std::size_t i = place + 1; i < deltas.size(); ++i) numbers[i] = number += deltas[i];
  numbers[place] = kNoId;
  return numbers;
}

struct Case {
  Widths widths;
  std::vector<std::byte> bytes;
  std::vector<Id> expected;
  Id self;
  std::size_t most;
};

/// A list of up to `most` - 1 numbers.
Case random_list(Random& random, std::size_t most) {
  Case c{.widths = random_widths(random), .bytes = {}, .expected = {}, .self = static_cast<Id>(random()), .most = most};
  std::uint64_t largest = 0;
  for (const std::uint8_t width : c.widths) largest += std::uint64_t{1} << width;
  std::vector<std::uint32_t> deltas(below(random, most));
  for (std::uint32_t& delta : deltas)
    delta = static_cast<std::uint32_t>(1 + below(random, std::min<std::uint64_t>(largest, 1ull << below(random, 32))));
  deltas.insert(deltas.begin() + static_cast<std::ptrdiff_t>(below(random, deltas.size() + 1)), 0);
  c.bytes = encode(c.widths, deltas);
  const auto place = static_cast<std::size_t>(std::ranges::find(deltas, 0u) - deltas.begin());
  c.expected.resize(deltas.size(), kNoId);
  for (std::size_t i = 0; i < deltas.size(); ++i) {
    Id number = c.self;
    for (std::size_t j = i; j < place; ++j) number -= deltas[j];
    for (std::size_t j = place + 1; j <= i; ++j) number += deltas[j];
    if (i != place) c.expected[i] = number;
  }
  return c;
}

void expect_decoded(const Case& c) {
  GuardedBytes guarded(c.bytes.size() + 2 * kGuardBytes);
  std::memset(guarded.data(), 0xA5, c.bytes.size() + 2 * kGuardBytes);
  std::memcpy(guarded.data() + kGuardBytes, c.bytes.data(), c.bytes.size());
  constexpr Id kUntouched = 0x12345678;
  std::vector<Id> out(c.most + kOverrun + 4, kUntouched);
  const DeltaCode code(c.widths);
  const std::size_t count =
      dispatch(code).decode(code, guarded.data() + kGuardBytes, c.bytes.size(), c.self, c.most, out.data());
  ASSERT_LE(count, c.most);
  for (std::size_t i = out.size() - 4; i < out.size(); ++i) ASSERT_EQ(out[i], kUntouched);
  out.resize(count);
  ASSERT_EQ(out, c.expected);
}

TEST(DeltaKernels, ListsAreWhatWasEncoded) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 1000; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      const Case c = random_list(random, 1 + below(random, seed % 8 ? 70 : 600));
      ASSERT_EQ(decode(c.widths, c.bytes, c.self, c.most), c.expected);
      ASSERT_NO_FATAL_FAILURE(expect_decoded(c));
    }
  });
}

TEST(DeltaKernels, AnyBytesAreTheSameOnEveryTarget) {
  for_each_target([] {
    for (unsigned seed = 0; seed < 2000; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      Case c = random_list(random, 1 + below(random, seed % 8 ? 70 : 300));
      for (std::size_t n = below(random, 5); n > 0; --n)
        c.bytes[below(random, c.bytes.size())] ^= static_cast<std::byte>(random());
      if (random() % 4 == 0) c.bytes.resize(1 + below(random, 2 * c.bytes.size()), static_cast<std::byte>(random()));
      c.expected = decode(c.widths, c.bytes, c.self, c.most);
      ASSERT_NO_FATAL_FAILURE(expect_decoded(c));
    }
  });
}

TEST(DeltaKernels, SumsOfLengths) {
  for_each_target([] {
    Random random(1);
    GuardedBytes record(kRecordBytes);
    for (std::size_t count = 0; count < kLengthsBytes; ++count) {
      SCOPED_TRACE(count);
      std::size_t expected = 0;
      for (std::size_t i = 0; i < kRecordBytes; ++i) {
        const unsigned byte = count % 2 ? 255 : static_cast<unsigned>(below(random, 256));
        record.data()[i] = static_cast<std::byte>(byte);
        if (i >= 8 && i < 8 + count) expected += byte;
      }
      ASSERT_EQ(dispatch(DeltaCode({})).sum(record.data(), count), expected);
    }
  });
}

}  // namespace
}  // namespace cassata::kernels::delta_lists
