#include "format/base/text.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "tests/support/expect_error.h"

namespace cassata {
namespace {

using test::expect_error;

TEST(Text, NumbersAreReadWholeOrNotAtAll) {
  EXPECT_EQ(parse_number<unsigned>("17"), 17U);
  EXPECT_EQ(parse_number<double>("1e3"), 1000.0);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "1.5", "0x10", "4294967296", "1e3"})
    EXPECT_FALSE(parse_number<unsigned>(text)) << text;
  for (const char* text : {"", "x", "1,5", "1e999"}) EXPECT_FALSE(parse_number<double>(text)) << text;
}

TEST(Text, DecimalsAreTheShortestThatGiveTheNumberBack) {
  for (const double value : {0.0, 0.1, 1.0 / 3, 1e300, 5e-324, -2.5})
    EXPECT_EQ(parse_number<double>(decimal(value)), value);
  EXPECT_EQ(decimal(0.1), "0.1");
  EXPECT_EQ(decimal(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
}

TEST(Text, Numbers) {
  EXPECT_EQ(fixed(2.0 / 3, 3), "0.667");
  EXPECT_EQ(fixed(1e300, 1).size(), 303U);
  EXPECT_EQ(short_number(1e-7), "1e-07");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(hex(0xab), "00000000000000ab");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(999'999), "1.0 MB");
}

TEST(Text, WhatIsQuotedStaysOnItsLine) {
  EXPECT_EQ(quoted("a\nb\x01\xff"), "'a\\nb\\x01\\xff'");
  EXPECT_EQ(quoted("\xc3\xa9"), "'\xc3\xa9'");
  EXPECT_EQ(quoted(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
}

TEST(BytesText, RoundsWhatIsAMebibyteOrMore) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text((1 << 20) - 1), "1048575 bytes");
  EXPECT_EQ(bytes_text(1 << 20), "1048576 bytes (1.0 MiB)");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 29), "1610612736 bytes (1.5 GiB)");
  EXPECT_EQ(bytes_text((std::uint64_t{1} << 30) - 1), "1073741823 bytes (1.0 GiB)");
  EXPECT_EQ(bytes_text(~std::uint64_t{0}), "18446744073709551615 bytes (16.0 EiB)");
}

TEST(ParseMemory, KnowsTheUsualUnits) {
  for (const auto& [text, bytes] : std::vector<std::pair<std::string, std::uint64_t>>{{"1", 1},
                                                                                      {"1000", 1000},
                                                                                      {"12B", 12},
                                                                                      {"512MiB", 512ULL << 20},
                                                                                      {"2GB", 2'000'000'000},
                                                                                      {"1.5 kB", 1500},
                                                                                      {"1.5 KB", 1500},
                                                                                      {"0.5KiB", 512},
                                                                                      {"3 TiB", 3ULL << 40}})
    EXPECT_EQ(parse_bytes(text, "memory"), bytes) << text;
  for (const char* text : {"", "MB", "0", "-1", "0.1", "12 Mb", "1e300", "nan", "inf", "5MiBs", "1 2"})
    expect_error(Errc::invalid_argument, {"memory: '" + std::string(text) + "' given", "512MiB"},
                 [&] { parse_bytes(text, "memory"); });
}

}  // namespace
}  // namespace cassata
