#include "engine/payload/external_ids.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "cassata/error.h"
#include "engine/payload/mapped_texts.h"
#include "format/base/text.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

std::string shown(std::int64_t id) { return decimal(id); }
std::string shown(std::string_view id) { return quoted(id); }

/// In results -1 stands for no result.
void check_id(std::int64_t id, std::size_t row) {
  if (id == -1) invalid_argument("ids: row " + std::to_string(row) + ": -1, which stands for a missing result");
}
void check_id(std::string_view id, std::size_t row) {
  if (!is_utf8(id)) invalid_argument("ids: row " + std::to_string(row) + ": " + quoted(id) + ", expected UTF-8");
}

}  // namespace

std::vector<Id> order_of(const Payload::Ids& ids, std::uint64_t size) {
  return std::visit(
      [&](const auto& all) {
        if (all.size() != size)
          invalid_argument("ids: " + std::to_string(all.size()) + " given, expected " + std::to_string(size) +
                           ", as there are vectors");
        for (std::size_t row = 0; row < size; ++row) check_id(all[row], row);
        std::vector<Id> order(size);
        std::iota(order.begin(), order.end(), Id{0});
        const auto before = [&](Id a, Id b) { return all[a] < all[b] || (all[a] == all[b] && a < b); };
        if (!std::ranges::is_sorted(order, before)) std::ranges::sort(order, before);
        const auto same = std::ranges::adjacent_find(order, [&](Id a, Id b) { return all[a] == all[b]; });
        if (same != order.end())
          invalid_argument("ids: rows " + std::to_string(same[0]) + " and " + std::to_string(same[1]) +
                           " have the same id " + shown(all[*same]) + ", expected each id once");
        return order;
      },
      ids);
}

void write_external_ids(const Payload::Ids& ids, std::span<const Id> order, FileWriter& writer) {
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&ids)) {
    writer.begin(kExternalIdValuesSection, Tier::cold);
    writer.append(std::span(*numbers));
  } else {
    write_texts(std::get<Texts>(ids), std::string(kExternalIdsPrefix), writer);
  }
  writer.begin(kExternalIdOrderSection, Tier::cold);
  writer.append(order);
}

struct ExternalIds::Sections {
  const MappedFile& file;
  IdType type;
  std::uint64_t size;
  Section values, order;
  std::span<const std::int64_t> numbers;
  MappedTexts texts;
  std::span<const Id> rows;  // with ids ascending

  explicit Sections(const MappedFile& opened)
      : file(opened), type(*opened.manifest().external_ids), size(opened.manifest().size) {
    if (type == IdType::text) {
      texts = MappedTexts(file, std::string(kExternalIdsPrefix), size);
    } else {
      values = file.section(kExternalIdValuesSection);
      numbers = values.as<std::int64_t>(size);
    }
    order = file.section(kExternalIdOrderSection);
    rows = order.as<Id>(size);
  }

  ExternalId at(Id row) const {
    if (type == IdType::text) return texts[row];
    values.touch(std::as_bytes(numbers.subspan(row, 1)));
    return read_once(numbers[row]);
  }
  /// The row with the i-th id.
  Id ordered(std::uint64_t i) const {
    order.touch(std::as_bytes(rows.subspan(i, 1)));
    const Id row = read_once(rows[i]);
    if (row >= size)
      throw order.damaged(i * sizeof row,
                          "row " + std::to_string(row) + ", expected one below " + std::to_string(size));
    return row;
  }
};

ExternalIds::ExternalIds(const MappedFile& file) : sections_(std::make_unique<const Sections>(file)) {}
ExternalIds::~ExternalIds() = default;
IdType ExternalIds::type() const noexcept { return sections_->type; }
std::uint64_t ExternalIds::size() const noexcept { return sections_->size; }

ExternalId ExternalIds::at(Id row) const {
  ExternalId id;
  sections_->file.reading([&] { id = sections_->at(row); });
  return id;
}

std::optional<Id> ExternalIds::row_of(const ExternalId& id) const {
  if (id.index() != static_cast<std::size_t>(type())) return {};
  std::optional<Id> found;
  sections_->file.reading([&] {
    std::uint64_t begin = 0, end = size();
    while (begin < end && !found) {
      const std::uint64_t middle = begin + (end - begin) / 2;
      const Id row = sections_->ordered(middle);
      const ExternalId here = sections_->at(row);
      if (here == id)
        found = row;
      else if (here < id)
        begin = middle + 1;
      else
        end = middle;
    }
  });
  return found;
}

void ExternalIds::verify(const Reading& reading) const {
  const Sections& s = *sections_;
  if (s.type == IdType::text)
    s.texts.verify(reading, false);
  else
    reading(s.values.bytes);
  reading(s.order.bytes);
  for (std::uint64_t i = 1; i < s.size; ++i)  // ascending ids are of different rows, and so of all rows
    if (s.at(s.ordered(i - 1)) >= s.at(s.ordered(i)))
      throw s.order.damaged(i * sizeof(Id), "row " + std::to_string(s.ordered(i)) +
                                                ", expected one with a greater id than the row before");
  if (s.size == 1) s.ordered(0);
}

}  // namespace cassata
