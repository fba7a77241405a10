#include "format/input/ids.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "format/input/npy.h"
#include "format/publish.h"
#include "format/section.h"

namespace cassata {
namespace {

template <class T>
std::int64_t widened(const std::byte* from) {
  const T value = number_at<T>(from);
  if constexpr (std::is_same_v<T, std::uint64_t>) return static_cast<std::int64_t>(std::min<T>(value, std::numeric_limits<std::int64_t>::max()));
  return static_cast<std::int64_t>(value);
}

struct IdType {
  std::size_t bytes;
  std::int64_t (*read)(const std::byte* from);
};
constexpr std::array<std::string_view, 4> kNames = {"<i8", "<i4", "<u8", "<u4"};
constexpr std::array<IdType, 4> kTypes = {
    {{8, widened<std::int64_t>}, {4, widened<std::int32_t>}, {8, widened<std::uint64_t>}, {4, widened<std::uint32_t>}}};

}  // namespace

IdTable read_ids(const std::filesystem::path& path) {
  const FileReader file(path);
  const NpyHeader header = read_npy_header(file, kNames);
  const IdType& type = kTypes[header.type];
  const std::uint64_t elements = (file.bytes() - header.offset) / type.bytes;
  const bool fits = header.columns == 0 ? elements == 0 : header.rows == elements / header.columns && elements % header.columns == 0;
  if (!fits || (file.bytes() - header.offset) % type.bytes != 0)
    file.refuse(std::to_string(file.bytes() - header.offset) + " bytes after the header, expected " + std::to_string(header.rows) + " rows x " +
                std::to_string(header.columns) + " ids x " + std::to_string(type.bytes) + " bytes");
  std::vector<std::byte> raw(static_cast<std::size_t>(elements) * type.bytes);
  file.read(raw, header.offset);
  IdTable table{.rows = header.rows, .columns = header.columns, .ids = std::vector<std::int64_t>(static_cast<std::size_t>(elements))};
  for (std::size_t i = 0; i < table.ids.size(); ++i) table.ids[i] = type.read(raw.data() + i * type.bytes);
  return table;
}

void write_ids(const std::filesystem::path& path, std::span<const std::int64_t> ids, std::uint64_t columns) {
  constexpr std::size_t kStart = 10, kAlign = 64;  // magic, version 1.0 and the header's length as u16; then the header, to a multiple
  std::string header = "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(columns == 0 ? 0 : ids.size() / columns) + ", " +
                       std::to_string(columns) + "), }";
  header.resize((kStart + header.size() + kAlign) / kAlign * kAlign - kStart, ' ');
  header.back() = '\n';
  std::vector<std::byte> start;
  for (const char c : kNpyMagic) start.push_back(static_cast<std::byte>(c));
  append_bytes<std::uint16_t>(1, start);  // 1, 0
  append_bytes(static_cast<std::uint16_t>(header.size()), start);
  for (const char c : header) start.push_back(static_cast<std::byte>(c));
  PendingFile file(path);
  file.write(start, 0);
  file.write(std::as_bytes(ids), start.size());
  file.publish();
}

}  // namespace cassata
