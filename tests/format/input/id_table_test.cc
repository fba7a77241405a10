// Tables of ids: files of NumPy are read, written files are readable by NumPy (tests/python), other files are refused.
#include "format/input/id_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/random.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vector_files.h"

namespace cassata::id_table_test {
namespace {

using namespace test;

template <class T>
std::string file_of(const std::string& descr, std::uint64_t rows, std::uint64_t columns, const std::vector<T>& ids) {
  std::string bytes = npy_header(npy_dict(descr, npy_shape(rows, columns)));
  for (const T id : ids) bytes += raw(id);
  return bytes;
}

class Ids : public ::testing::Test {
 protected:
  IdTable read(const std::string& bytes) const {
    write_file(folder_ / "ids.npy", bytes);
    return read_ids(folder_ / "ids.npy");
  }
  void expect_refused(const std::string& bytes, const std::vector<std::string>& parts) const {
    expect_error(Errc::invalid_argument, parts, [&] { read(bytes); });
  }
  TempDir folder_;
};

TEST_F(Ids, OfEveryTypeAreRead) {
  const std::vector<std::int64_t> ids = {0, 1, 2147483647, 7, 5, 3};
  const auto expect = [&](const IdTable& table) {
    EXPECT_EQ(table.rows, 2u);
    EXPECT_EQ(table.columns, 3u);
    EXPECT_EQ(table.ids, ids);
  };
  expect(read(file_of("<i8", 2, 3, ids)));
  expect(read(file_of("<i4", 2, 3, std::vector<std::int32_t>(ids.begin(), ids.end()))));
  expect(read(file_of("<u8", 2, 3, std::vector<std::uint64_t>(ids.begin(), ids.end()))));
  expect(read(file_of("<u4", 2, 3, std::vector<std::uint32_t>(ids.begin(), ids.end()))));
  EXPECT_EQ(read(file_of("<i4", 1, 1, std::vector<std::int32_t>{-1})).ids[0], -1);
  EXPECT_EQ(read(file_of("<u4", 1, 1, std::vector<std::uint32_t>{0xFFFFFFFF})).ids[0], 4294967295);
  EXPECT_EQ(read(file_of("<u8", 1, 1, std::vector<std::uint64_t>{~std::uint64_t{0}})).ids[0],
            std::numeric_limits<std::int64_t>::max());
}

TEST_F(Ids, WrittenOnesAreReadBack) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t rows = below(random, 20), columns = 1 + below(random, seed % 2 ? 9 : 1200);
    std::vector<std::int64_t> ids(rows * columns);
    for (std::int64_t& id : ids) id = static_cast<std::int64_t>(below(random, 1000)) - 1;
    write_ids(folder_ / "ids.npy", ids, columns);
    const IdTable table = read_ids(folder_ / "ids.npy");
    EXPECT_EQ(table.rows, rows);
    EXPECT_EQ(table.columns, columns);
    EXPECT_EQ(table.ids, ids);
    EXPECT_EQ((read_file(folder_ / "ids.npy").size() - 8 * ids.size()) % 64, 0u) << "NumPy aligns the elements";
  }
}

TEST_F(Ids, OthersAreRefused) {
  expect_refused("", {"0 bytes, expected a .npy file"});
  expect_refused(file_of("<f4", 1, 2, std::vector<float>{1, 2}), {"dtype '<f4'", "<i8, <i4, <u8, <u4"});
  expect_refused(npy_header(npy_dict("<i4", "(2,)")) + std::string(8, '\0'), {"shape '(2,)'"});
  expect_refused(npy_header(npy_dict("<i4", "(1, 2)", "True")) + std::string(8, '\0'), {"fortran_order 'True'"});
  for (const std::size_t bytes : {0u, 7u, 9u, 12u, 16u})
    expect_refused(npy_header(npy_dict("<i4", "(1, 2)")) + std::string(bytes, '\0'),
                   {std::to_string(bytes) + " bytes", "(1, 2) elements of 4"});
  for (const char* shape : {"(4611686018427387905, 4)", "(4, 4611686018427387905)",
                            "(18446744073709551615, 18446744073709551615)", "(9, 0)"})
    expect_refused(npy_header(npy_dict("<i4", shape)) + std::string(16, '\0'), {"16 bytes after the header"});
}

}  // namespace
}  // namespace cassata::id_table_test
