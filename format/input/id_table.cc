#include "format/input/id_table.h"

#include <algorithm>
#include <limits>

#include "format/file/section.h"
#include "format/input/npy.h"

namespace cassata {

IdTable read_ids(const std::filesystem::path& path) {
  NpyReader file(path, std::span(kNpyIntegers).first(4), {{2, "(rows, ids)"}});
  const std::span<const std::byte> raw = file.next(file.rows());
  const std::size_t bytes = file.header().element_bytes;
  IdTable table{
      .rows = file.rows(), .columns = file.header().shape[1], .ids = std::vector<std::int64_t>(raw.size() / bytes)};
  with_npy_integer(file.header().type, [&]<class T>(T) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (std::size_t i = 0; i < table.ids.size(); ++i) {
      const T id = number_at<T>(raw.data() + i * bytes);
      table.ids[i] = std::is_same_v<T, std::uint64_t> ? static_cast<std::int64_t>(std::min<std::uint64_t>(id, kMost))
                                                      : static_cast<std::int64_t>(id);
    }
  });
  return table;
}

FileKind id_table_kind() { return npy_kind("<i8", 2); }

void write_ids(const std::filesystem::path& path, std::span<const std::int64_t> ids, std::uint64_t columns,
               const ReplaceParams& replace) {
  NpyWriter file(path, "<i8", {columns == 0 ? 0 : ids.size() / columns, columns}, replace);
  file.append(std::as_bytes(ids));
  file.publish();
}

}  // namespace cassata
