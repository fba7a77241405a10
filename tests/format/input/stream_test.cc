// Every format gives back the vectors that were written, in pieces of any size.
#include "cassata/stream.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::stream_test {
namespace {

using namespace test;

float random_value(Random& random) {
  return static_cast<float>(static_cast<double>(random() % 2'000'001) / 1000 - 1000);
}

std::string random_element(Random& random, ElementType type) {
  switch (type) {
    case ElementType::f32: return raw(random_value(random));
    case ElementType::f64: return raw(static_cast<double>(random_value(random)) / 3);
    case ElementType::f16: return raw(static_cast<std::uint16_t>((random() % 0x7C00) | (random() % 2) << 15));
    case ElementType::u8:
    case ElementType::i8: return raw(static_cast<std::uint8_t>(random()));
  }
  return {};
}

Array random_array(Random& random, ElementType type) {
  Array a{.type = type,
          .rows = static_cast<std::uint32_t>(below(random, 300)),
          .dim = static_cast<std::uint32_t>(1 + below(random, 70)),
          .bytes = {}};
  for (std::size_t i = 0; i < std::size_t{a.rows} * a.dim; ++i) a.bytes += random_element(random, type);
  return a;
}

/// What element `i` must become.
float value_of(const Array& a, std::size_t i) {
  const char* at = a.bytes.data() + i * element_bytes(a.type);
  const auto as = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  switch (a.type) {
    case ElementType::f32: return as(float{});
    case ElementType::f64: return static_cast<float>(as(double{}));
    case ElementType::f16: return static_cast<float>(half_value(as(std::uint16_t{})));
    case ElementType::u8: return as(std::uint8_t{});
    case ElementType::i8: return as(std::int8_t{});
  }
  return 0;
}

/// Reads the stream in pieces of random numbers of rows and compares all that it returns.
void check(DenseStream& stream, const Array& a, Random& random) {
  ASSERT_EQ(stream.size(), a.rows);
  ASSERT_EQ(stream.dim(), a.dim);
  ASSERT_EQ(static_cast<int>(stream.element_type()), static_cast<int>(a.type));
  std::vector<float> all, piece;
  for (;;) {
    piece.resize((1 + below(random, 100)) * a.dim + below(random, a.dim));
    const std::size_t rows = stream.next(piece);
    ASSERT_LE(rows, piece.size() / a.dim);
    if (rows == 0) break;
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(rows * a.dim));
  }
  ASSERT_EQ(all.size(), std::size_t{a.rows} * a.dim);
  for (std::size_t i = 0; i < all.size(); ++i)
    ASSERT_EQ(all[i], value_of(a, i)) << "row " << i / a.dim << ", column " << i % a.dim;
  const InputEntry entry = stream.entry();
  ASSERT_EQ(entry.name, std::filesystem::path(stream.name()).filename());
  ASSERT_EQ(entry.rows, a.rows);
  ASSERT_EQ(entry.bytes, a.bytes.size());
  ASSERT_EQ(entry.xxh3, xxh3(std::as_bytes(std::span(a.bytes))));
}

constexpr std::array kTypes = {ElementType::f32, ElementType::f16, ElementType::f64, ElementType::u8, ElementType::i8};

TEST(VectorStream, ReadsEveryFormat) {
  const TempDir folder;
  const std::map<std::string, std::pair<ElementType, std::string (*)(const Array&)>> formats = {
      {".fvecs", {ElementType::f32, vecs_file}}, {".bvecs", {ElementType::u8, vecs_file}},
      {".fbin", {ElementType::f32, bin_file}},   {".u8bin", {ElementType::u8, bin_file}},
      {".i8bin", {ElementType::i8, bin_file}},   {".FBIN", {ElementType::f32, bin_file}}};
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    for (const auto& [extension, format] : formats) {
      SCOPED_TRACE(extension);
      const Array a = random_array(random, format.first);
      if (a.rows == 0 && extension.ends_with("vecs")) continue;  // such a file is empty and has no dim
      write_file(folder / ("x" + extension), format.second(a));
      check(*open_stream(folder / ("x" + extension)), a, random);
    }
    for (const ElementType type : kTypes)
      for (const int major : {1, 2, 3}) {
        SCOPED_TRACE(npy_descr(type) + " version " + std::to_string(major));
        const Array a = random_array(random, type);
        write_file(folder / "x.npy", npy_file(a, major));
        check(*open_stream(folder / "x.npy"), a, random);
      }
  }
}

TEST(VectorStream, ReadsMemoryOfAnyAlignment) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Array a = random_array(random, kTypes[seed % kTypes.size()]);
    const std::string shifted = std::string(seed % 8, 'x') + a.bytes;
    check(*memory_stream("array", shifted.data() + seed % 8, a.rows, a.dim, a.type), a, random);
  }
}

TEST(VectorStream, ConvertsEveryHalfExactly) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const auto stream = memory_stream("half", &half, 1, 1, ElementType::f16);
    float value = 0;
    if (std::isfinite(half_value(half))) {
      ASSERT_EQ(stream->next({&value, 1}), 1u);
      ASSERT_EQ(value, half_value(half)) << bits;
      ASSERT_EQ(std::signbit(value), bits >> 15 == 1) << bits;
    } else {
      expect_error(Errc::invalid_argument, {"half: row 0, column 0"}, [&] { stream->next({&value, 1}); });
    }
  }
}

TEST(VectorStream, ReadsThePythonDictsThatNumPyWrites) {
  const TempDir folder;
  const std::string values = raw(1.0f) + raw(2.0f) + raw(3.0f) + raw(4.0f);
  for (const std::string& dict : {std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"),
                                  std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}"),
                                  std::string("{\"shape\":(2,2),\"fortran_order\":False,\"descr\":\"<f4\"}"),
                                  std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L), }"),
                                  std::string("{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : (2, 2,) , }")}) {
    SCOPED_TRACE(dict);
    write_file(folder / "x.npy", npy_header(dict) + values);
    EXPECT_EQ(read_all(*open_stream(folder / "x.npy")), (std::vector<float>{1, 2, 3, 4}));
  }
}

TEST(VectorStream, HoldsAChunkOfALargeFile) {
  const TempDir folder;
  constexpr std::uint64_t kRows = 1'000'000, kDim = 100;
  const std::string header = npy_header(npy_dict("<f8", npy_shape(kRows, kDim)));
  write_file(folder / "x.npy", header);
  std::filesystem::resize_file(folder / "x.npy",
                               header.size() + kRows * kDim * 8);  // 800 MB of zeros, which take no place on most disks
  const auto stream = open_stream(folder / "x.npy");
  std::vector<float> out(1000 * kDim);
  const auto before = ::mallinfo2();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(stream->next(out), 1000u);
  const auto after = ::mallinfo2();
  EXPECT_LT(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + (std::size_t{2} << 20));
}

TEST(VectorStream, RefusesNoRoomForARow) {
  const float values[4] = {};
  const auto stream = memory_stream("array", values, 1, 4, ElementType::f32);
  float out[3];
  expect_error(Errc::invalid_argument, {"array", "3", "4"}, [&] { stream->next(out); });
}

}  // namespace
}  // namespace cassata::stream_test
