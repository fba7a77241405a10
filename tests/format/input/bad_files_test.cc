// Files and arrays that cannot be read: one clear error that names the file, the place, what was found and what was
// expected.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>

#include "cassata/stream.h"
#include "tests/support/expect_error.h"
#include "tests/support/index_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::bad_files_test {
namespace {

using namespace test;

class BadFile : public ::testing::Test {
 protected:
  /// The file must be refused, when it is opened or read, by a message with these parts in it.
  void expect_refused(const std::string& name, const std::string& bytes, std::vector<std::string> parts,
                      Errc code = Errc::invalid_argument) {
    SCOPED_TRACE(name);
    write_file(folder_ / name, bytes);
    parts.push_back((folder_ / name).string() + ":");
    expect_error(code, parts, [&] { read_all(*open_stream(folder_ / name)); });
  }
  void expect_dict_refused(const std::string& dict, std::vector<std::string> parts) {
    SCOPED_TRACE(dict);
    expect_refused("x.npy", npy_header(dict) + std::string(48, '\0'), std::move(parts));
  }

  /// Opens and reads bytes that may be anything: only an Error may come of it.
  void read_anything(const std::string& name, const std::string& bytes) {
    write_file(folder_ / name, bytes);
    try {
      read_all(*open_stream(folder_ / name));
    } catch (const Error& e) {
      ASSERT_EQ(static_cast<int>(e.code()), static_cast<int>(Errc::invalid_argument)) << e.what();
    }
  }

  TempDir folder_;
  const Array floats_ = {ElementType::f32, 3, 4, std::string(48, '\1')};
  const Array bytes_ = {ElementType::u8, 3, 4, std::string(12, '\1')};
};

TEST_F(BadFile, NotThereOrNoFile) {
  expect_error(Errc::io, {(folder_ / "no.npy").string(), "No such file"}, [&] { open_stream(folder_ / "no.npy"); });
  std::filesystem::create_directory(folder_ / "folder.npy");
  expect_error(Errc::io, {"folder.npy", "directory"}, [&] { open_stream(folder_ / "folder.npy"); });
  ASSERT_EQ(::mkfifo((folder_ / "fifo.fvecs").c_str(), 0600), 0);
  expect_error(Errc::invalid_argument, {"fifo.fvecs", "regular file"}, [&] { open_stream(folder_ / "fifo.fvecs"); });
}

TEST_F(BadFile, UnknownExtension) {
  for (const char* name : {"x.xyz", "x", "x.npy.gz", ".npy", "npy", "x.bin"})
    expect_refused(
        name, "",
        {"extension", ".npy, .fvecs, .bvecs, .fbin, .u8bin, .i8bin; sparse vectors are in .bin or .npz files"});
}

TEST_F(BadFile, NpyOfAnotherKind) {
  expect_dict_refused(npy_dict("<f4", "(3, 4)", "True"), {"fortran_order 'True'", "False"});
  expect_dict_refused(npy_dict(">f4", "(3, 4)"), {"'>f4' (big-endian)", "<f4, <f2, <f8, |u1, |i1"});
  expect_dict_refused(npy_dict("|O", "(3, 4)"), {"'|O' (Python objects)"});
  expect_dict_refused("{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (6,), }",
                      {"(a structure)"});
  for (const char* descr : {"<i4", "<u2", "<c8", "|b1", "<U3", "<f16", "", "f3"})
    expect_dict_refused(npy_dict(descr, "(3, 4)"), {"dtype '" + std::string(descr) + "'"});
  for (const char* shape : {"(12,)", "()", "(2, 2, 3)", "(-3, 4)", "(3, x)", "(3.0, 4)", "(18446744073709551616, 4)",
                            "[3, 4]", "(3 4)", "(3,,4)", "12"})
    expect_dict_refused(npy_dict("<f4", shape), {"expected"});
  expect_dict_refused(npy_dict("<f4", "(3, 0)"), {"dim 0"});
}

TEST_F(BadFile, NpyThatIsNone) {
  expect_refused("x.npy", "", {"0 bytes"});
  expect_refused("x.npy", "\x93NUMPY", {"6 bytes"});
  expect_refused("x.npy", "not an array", {"magic"});
  expect_refused("x.npy", std::string("\x93NUMPY\x04\0\0\0\0\0\0\0", 14), {"version 4.0"});
  expect_refused("x.npy", std::string("\x93NUMPY\0\0\0\0\0\0\0\0", 14), {"version 0.0"});
  expect_refused("x.npy", std::string("\x93NUMPY\x02\0\xff\xff\xff\xff{}", 14), {"header of 4294967295 bytes"});
  expect_refused("x.npy", std::string("\x93NUMPY\x01\0\xff\xff{}", 12), {"header ends at byte 65545", "12 bytes"});
}

TEST_F(BadFile, NpyWithAHostileHeader) {
  for (const char* dict :
       {"", "{", "{}", "{'descr'", "{'descr': ", "{'descr': '<f4'", "{'descr': '<f4', }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)} + {}", "__import__('os').system('x')",
        "{'descr': '<f4', 'fortran_order': False, 'shape': tuple([3, 4])}",
        "{'descr': None, 'fortran_order': False, 'shape': (3, 4)}",
        "{'descr': '<f4', 'fortran_order': 0 or False, 'shape': (3, 4)}",
        "{'descr': ''<f4'', 'fortran_order': False, 'shape': (3, 4)}"})
    expect_dict_refused(dict, {"expected"});
  expect_dict_refused("{'descr': '<f4\x1b[31m\n', 'fortran_order': False, 'shape': (3, 4)}",
                      {"'<f4\\x1b[31m\\x0a'"});  // nothing that a terminal would obey
  expect_dict_refused(npy_dict("<f4" + std::string(5000, 'x'), "(3, 4)"), {"x...'"});
}

TEST_F(BadFile, NpyShapesThatOverflow) {
  for (const char* shape :
       {"(18446744073709551615, 4)", "(4611686018427387904, 4)", "(4611686018427387905, 1)", "(4611686018427387907, 4)",
        "(1, 4294967296)", "(2147483648, 2147483647)", "(3, 18446744073709551615)"})
    expect_dict_refused(npy_dict("<f4", shape), {"expected"});
}

TEST_F(BadFile, EveryTruncationAndTrailingBytes) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"x.npy", npy_file(floats_)},   {"x.npy", npy_file(floats_, 3)}, {"x.fvecs", vecs_file(floats_)},
      {"x.bvecs", vecs_file(bytes_)}, {"x.fbin", bin_file(floats_)},   {"x.u8bin", bin_file(bytes_)}};
  for (const auto& [name, whole] : files) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const std::size_t stride = name == "x.fvecs" ? 20 : 8;
      if (name.ends_with("vecs") && n % stride == 0 && n > 0) continue;  // a shorter file of whole rows
      SCOPED_TRACE(n);
      expect_refused(name, whole.substr(0, n), {});
    }
    for (const std::size_t more : {1, 3, 100}) expect_refused(name, whole + std::string(more, '\0'), {});
  }
}

TEST_F(BadFile, LengthsAreNamed) {
  const std::string npy = npy_file(floats_), fbin = bin_file(floats_), fvecs = vecs_file(floats_);
  expect_refused("x.npy", npy.substr(0, npy.size() - 5),
                 {"43 bytes after the header of 128", "3 rows x 4 elements x 4 bytes", "truncated"});
  expect_refused("x.npy", npy + "x", {"49 bytes after the header", "trailing bytes"});
  expect_refused("x.fbin", fbin.substr(0, 30),
                 {"22 bytes after the header of 8", "3 rows x 4 elements x 4 bytes", "truncated"});
  expect_refused("x.fbin", raw(0xFFFF'FFFFu) + raw(0x0010'0000u) + "0123",
                 {"4294967295 rows x 1048576 elements", "truncated"});
  expect_refused("x.u8bin", raw(2u) + raw(0u), {"dim 0"});
  expect_refused("x.fbin", "1234567", {"7 bytes"});
  expect_refused("x.fvecs", fvecs.substr(0, 50), {"row 2", "ends at byte 50", "60", "dim 4"});
  expect_refused("x.fvecs", "", {"empty"});
  expect_refused("x.fvecs", "123", {"3 bytes"});
  expect_refused("x.fvecs", raw(-1) + "1234", {"row 0: dim -1"});
  expect_refused("x.bvecs", raw(0) + "1234", {"row 0: dim 0"});
  expect_refused("x.fvecs", raw(0x7FFF'FFFF) + "1234", {"row 0", "ends at byte 8"});
}

TEST_F(BadFile, RowsLongerThanAnIndexHolds) {
  const std::uint32_t most = kMaxDim, more = most + 1;
  const std::vector<std::string> expected = {"dim 1048577, expected 1 to 1048576"};
  for (const auto& [dim, refused] : {std::pair(most, false), std::pair(more, true)}) {
    const Array bytes{ElementType::u8, 1, dim, std::string(dim, '\1')};
    const Array floats{ElementType::f32, 1, dim, std::string(std::size_t{4} * dim, '\0')};
    const std::vector<std::pair<std::string, std::string>> files = {{"x.npy", npy_file(bytes)},
                                                                    {"x.u8bin", bin_file(bytes)},
                                                                    {"x.fbin", bin_file(floats)},
                                                                    {"x.bvecs", vecs_file(bytes)},
                                                                    {"x.fvecs", vecs_file(floats)}};
    for (const auto& [name, content] : files) {
      if (refused) {
        expect_refused(name, content, expected);
      } else {
        write_file(folder_ / name, content);
        EXPECT_EQ(open_stream(folder_ / name)->dim(), most) << name;
      }
    }
  }
  expect_error(Errc::invalid_argument, {"data_vec: dim 1048577"},
               [&] { memory_stream("data_vec", nullptr, 0, more, ElementType::f32); });
}

TEST_F(BadFile, RowsOfAnotherDim) {
  const Array wide = {ElementType::f32, 1, 5, std::string(20, '\1')},
              twice = {ElementType::f32, 2, 5, std::string(40, '\1')};
  expect_refused("x.fvecs", vecs_file(floats_) + vecs_file(wide),
                 {"row 3: dim 5, expected 4"});  // the file's length shows it
  std::string disguised = vecs_file(floats_);
  disguised.replace(20, 4, raw(3));
  expect_refused("x.fvecs", disguised, {"row 1: dim 3, expected 4"});  // only the row itself does
}

TEST_F(BadFile, ValuesThatAreNotFinite) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto rows = static_cast<std::uint32_t>(1 + below(random, 3000)),
               dim = static_cast<std::uint32_t>(1 + below(random, 90));
    const std::size_t row = below(random, rows), column = below(random, dim), at = row * dim + column;
    const std::string place = "row " + std::to_string(row) + ", column " + std::to_string(column) + ": ";
    const auto file = [&](ElementType type, const std::string& value) {
      Array a{type, rows, dim, std::string(std::size_t{rows} * dim * value.size(), '\0')};
      a.bytes.replace(at * value.size(), value.size(), value);
      return a;
    };
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    switch (seed % 6) {
      case 0: expect_refused("x.npy", npy_file(file(ElementType::f32, raw(std::nanf("")))), {place + "NaN"}); break;
      case 1:
        expect_refused("x.fvecs", vecs_file(file(ElementType::f32, raw(static_cast<float>(-kInfinity)))),
                       {place + "-infinity"});
        break;
      case 2:
        expect_refused("x.fbin", bin_file(file(ElementType::f32, raw(static_cast<float>(kInfinity)))),
                       {place + "infinity"});
        break;
      case 3:
        expect_refused("x.npy", npy_file(file(ElementType::f16, raw(std::uint16_t{0x7C00}))), {place + "infinity"});
        break;
      case 4:
        expect_refused("x.npy", npy_file(file(ElementType::f64, raw(-1e300))),
                       {place + "-1e+300, which f32 cannot hold"});
        break;
      case 5: expect_refused("x.npy", npy_file(file(ElementType::f64, raw(std::nan("")))), {place + "NaN"}); break;
    }
  }
}

TEST_F(BadFile, AFileThatShrinksWhileItIsRead) {
  write_file(folder_ / "x.fbin", bin_file(floats_));
  const auto stream = open_stream(folder_ / "x.fbin");
  std::filesystem::resize_file(folder_ / "x.fbin", 20);
  expect_error(Errc::invalid_argument, {"x.fbin: ends at byte 20", "expected 36 bytes more"},
               [&] { read_all(*stream); });
}

TEST_F(BadFile, AnyBytesAreReadSafely) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Array array = {ElementType::u8,
                         1 + static_cast<std::uint32_t>(below(random, 9)),
                         1 + static_cast<std::uint32_t>(below(random, 9)),
                         {}};
    Array a = array;
    a.bytes.assign(std::size_t{a.rows} * a.dim, '\5');
    const auto damage = [&](std::string bytes) {
      for (std::size_t n = 1 + below(random, 4); n > 0; --n)
        bytes[below(random, bytes.size())] = static_cast<char>(random());
      return bytes;
    };
    read_anything("x.npy", damage(npy_file(a)));
    read_anything("x.bvecs", damage(vecs_file(a)));
    read_anything("x.u8bin", damage(bin_file(a)));
  }
}

TEST(BadArray, DimZeroAndValues) {
  const float values[4] = {1, 2, std::nanf(""), 4};
  expect_error(Errc::invalid_argument, {"data_vec: dim 0"},
               [&] { memory_stream("data_vec", values, 4, 0, ElementType::f32); });
  expect_error(Errc::invalid_argument, {"data_vec: row 1, column 0: NaN"},
               [&] { read_all(*memory_stream("data_vec", values, 2, 2, ElementType::f32)); });
}

}  // namespace
}  // namespace cassata::bad_files_test
