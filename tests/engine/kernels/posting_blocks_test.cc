// Sums over runs: the same as one at a time, on every instruction set, and in bounds whatever the bytes.
#include "engine/kernels/posting_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "tests/engine/kernels/guarded_bytes.h"
#include "tests/support/for_each_target.h"
#include "tests/support/random.h"

namespace cassata::kernels::posting_blocks {
namespace {

using test::below;
using test::for_each_target;
using test::GuardedBytes;
using test::Random;

using Sums = std::vector<std::uint16_t>;

struct BlockRun {
  std::uint32_t block, mask;
  std::vector<std::uint8_t> codes;
};

BlockRun random_run(Random& random, std::size_t block) {
  const auto bits = [&] { return static_cast<std::uint32_t>(random()); };
  BlockRun run{static_cast<std::uint32_t>(block), below(random, 2) == 0 ? bits() : bits() & bits() & bits(), {}};
  if (run.mask == 0) run.mask = 1;
  for (int i = std::popcount(run.mask); i > 0; --i)
    run.codes.push_back(static_cast<std::uint8_t>(1 + below(random, 255)));
  return run;
}

template <class Number>
void append(Number number, std::vector<std::byte>& out) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&number);
  out.insert(out.end(), bytes, bytes + sizeof number);
}

void append_run(const BlockRun& run, bool numbered, std::vector<std::byte>& out) {
  if (numbered) append(run.block, out);
  append(run.mask, out);
  for (const std::uint8_t code : run.codes) append(code, out);
}

std::uint16_t plus(std::uint16_t sum, std::uint8_t code, std::uint16_t weight) {
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(sum + (std::uint32_t{code} * weight >> 8), 65535));
}

void add(const BlockRun& run, std::uint16_t weight, Sums& sums) {
  std::size_t next = 0;
  for (std::size_t row = 0; row < kBlockRows; ++row)
    if (run.mask >> row & 1)
      sums[run.block * kBlockRows + row] = plus(sums[run.block * kBlockRows + row], run.codes[next++], weight);
}

std::uint16_t random_weight(Random& random) {
  return below(random, 8) == 0 ? 65535 : static_cast<std::uint16_t>(below(random, 65536));
}

Sums random_sums(Random& random, std::size_t count) {
  Sums sums(count);
  for (std::uint16_t& sum : sums)
    sum = static_cast<std::uint16_t>(below(random, 4) == 0 ? 65535 - below(random, 300) : below(random, 65536));
  return sums;
}

/// `bytes`, after which kBlockRows more may be read and nothing further.
class Readable {
 public:
  explicit Readable(const std::vector<std::byte>& bytes) : guarded_(bytes.size() + kBlockRows) {
    std::memset(guarded_.data(), 0xff, bytes.size() + kBlockRows);
    if (!bytes.empty()) std::memcpy(guarded_.data(), bytes.data(), bytes.size());
  }
  const std::byte* data() const { return guarded_.data(); }

 private:
  GuardedBytes guarded_;
};

TEST(PostingKernels, RunsOneAfterAnotherAreAdded) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t blocks = 1 + below(random, 40);
    const std::uint16_t weight = random_weight(random);
    const Sums before = random_sums(random, blocks * kBlockRows);
    Sums expected = before;
    std::vector<std::uint8_t> expected_touched(blocks);
    std::vector<std::byte> bytes;
    for (std::size_t block = 0; block < blocks; ++block) {
      if (below(random, 3) == 0) continue;
      const BlockRun run = random_run(random, block);
      append_run(run, true, bytes);
      add(run, weight, expected);
      expected_touched[block] = 1;
    }
    if (below(random, 2) == 0) {  // where adding stops, and what is behind
      append_run(random_run(random, below(random, 2) == 0 ? blocks : 0xffffffff), true, bytes);
      append_run(random_run(random, 0), true, bytes);
    }
    const Readable readable(bytes);
    for_each_target([&] {
      Sums sums = before;
      std::vector<std::uint8_t> touched(blocks);
      dispatch().add_runs(readable.data(), readable.data() + bytes.size(), blocks, weight, sums.data(), touched.data());
      EXPECT_EQ(sums, expected);
      EXPECT_EQ(touched, expected_touched);
    });
  }
}

TEST(PostingKernels, ArbitraryBytesAreReadInBounds) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t blocks = 1 + below(random, 4);
    std::vector<std::byte> bytes(below(random, 200));
    for (std::byte& b : bytes) b = static_cast<std::byte>(below(random, 3) == 0 ? random() : 0);
    const Readable readable(bytes);
    std::vector<std::uint8_t> maxima(64, 255);
    std::vector<std::uint16_t> offsets(64);
    for (std::uint16_t& offset : offsets)
      offset = static_cast<std::uint16_t>(below(random, 2) == 0 ? random() : below(random, bytes.size() + 8));
    const std::uint64_t base = below(random, 2) == 0 ? 0 : random();
    const std::vector<std::uint32_t> chosen = {0, static_cast<std::uint32_t>(blocks - 1)};
    for_each_target([&] {
      GuardedBytes sums(blocks * kBlockRows * sizeof(std::uint16_t));
      std::vector<std::uint8_t> touched(blocks);
      auto* at = reinterpret_cast<std::uint16_t*>(sums.data());
      dispatch().add_runs(readable.data(), readable.data() + bytes.size(), blocks, 65535, at, touched.data());
      dispatch().add_chosen({maxima.data(), offsets.data(), &base, readable.data(), bytes.size()}, chosen, 65535, at);
    });
  }
}

TEST(PostingKernels, ChosenRunsAreAdded) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t blocks = 1 + below(random, 200), places = (blocks + 63) / 64 * 64;
    const std::uint16_t weight = random_weight(random);
    const Sums before = random_sums(random, places * kBlockRows);
    Sums expected = before;
    std::vector<std::uint8_t> maxima(places);
    std::vector<std::uint16_t> offsets(places, RunTable::kNoRun);
    std::vector<std::uint64_t> bases;
    std::vector<std::uint32_t> chosen;
    std::vector<std::byte> bytes;
    for (std::size_t block = 0; block < places; ++block) {
      if (block % 64 == 0) bases.push_back(bytes.size());
      const bool choose = below(random, 2) == 0;
      if (choose) chosen.push_back(static_cast<std::uint32_t>(block));
      if (block >= blocks || below(random, 3) == 0) continue;
      const BlockRun run = random_run(random, block);
      offsets[block] = static_cast<std::uint16_t>(bytes.size() - bases.back());
      append_run(run, false, bytes);
      if (choose) add(run, weight, expected);
    }
    const Readable readable(bytes);
    for_each_target([&] {
      Sums sums = before;
      dispatch().add_chosen({maxima.data(), offsets.data(), bases.data(), readable.data(), bytes.size()}, chosen,
                            weight, sums.data());
      EXPECT_EQ(sums, expected);
    });
  }
}

TEST(PostingKernels, MaximaPeaksAndRanges) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t count = 32 * (1 + below(random, 8));
    const std::uint16_t weight = random_weight(random);
    std::vector<std::uint8_t> maxima(count);
    for (std::uint8_t& m : maxima) m = static_cast<std::uint8_t>(random());
    const Sums values = random_sums(random, count);
    const std::uint16_t least = values[below(random, count)];
    const std::uint16_t most = below(random, 2) == 0 ? 65535 : std::max(least, values[below(random, count)]);
    std::vector<std::uint32_t> chosen;
    Sums bounds = values, block_maxima;
    std::vector<std::uint32_t> within, rows;
    for (std::uint32_t i = 0; i < count; ++i) {
      bounds[i] = plus(bounds[i], maxima[i], weight);
      if (least <= values[i] && values[i] <= most) within.push_back(i);
    }
    for (std::uint32_t block = 0; block < count / kBlockRows; ++block) {
      if (below(random, 3) == 0) continue;
      chosen.push_back(block);
      block_maxima.push_back(
          *std::max_element(values.begin() + block * kBlockRows, values.begin() + (block + 1) * kBlockRows));
      for (const std::uint32_t i : within)
        if (i / kBlockRows == block) rows.push_back(i);
    }
    for_each_target([&] {
      Sums out = values;
      dispatch().add_maxima(maxima.data(), count, weight, out.data());
      EXPECT_EQ(out, bounds);
      out.assign(chosen.size(), 0);
      dispatch().block_maxima(values.data(), chosen, out.data());
      EXPECT_EQ(out, block_maxima);
      std::vector<std::uint32_t> found(count);
      found.resize(dispatch().within(values.data(), count, least, most, found.data()));
      EXPECT_EQ(found, within);
      found.resize(count);
      found.resize(dispatch().rows_within(values.data(), chosen, least, most, found.data()));
      EXPECT_EQ(found, rows);
    });
  }
}

}  // namespace
}  // namespace cassata::kernels::posting_blocks
