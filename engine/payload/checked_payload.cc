#include "engine/payload/checked_payload.h"

#include <span>
#include <string_view>
#include <variant>

#include "cassata/checksum.h"
#include "engine/payload/external_ids.h"
#include "engine/payload/fields.h"

namespace cassata {
namespace {

/// Hashes values one after another, each with its length.
class Hasher {
 public:
  template <class T>
  void add(std::span<const T> values) {
    const std::uint64_t length = values.size();
    hash_.update(std::as_bytes(std::span(&length, 1)));
    hash_.update(std::as_bytes(values));
  }
  void add(std::string_view text) { add(std::span<const char>(text)); }
  template <class T>
  void add(const std::vector<T>& values) {
    add(std::span<const T>(values));
  }
  void add(const Bitmap& bits) {
    number(bits.size());
    add(bits.words());
  }
  void add(const Timestamps& times) {
    number(static_cast<std::uint64_t>(times.unit));
    add(times.values);
  }
  void add(const Texts& texts) {
    add(texts.offsets());
    add(texts.bytes());
  }
  void add(const TextLists& lists) {
    add(lists.texts);
    for (std::size_t row = 0; row < lists.size(); ++row) number(lists.end(row));
  }
  template <class... Alternatives>
  void add(const std::variant<Alternatives...>& values) {
    number(values.index());
    std::visit([this](const auto& held) { add(held); }, values);
  }
  std::uint64_t digest() const { return hash_.digest(); }

 private:
  void number(std::uint64_t value) { hash_.update(std::as_bytes(std::span(&value, 1))); }

  Xxh3 hash_;
};

}  // namespace

CheckedPayload::CheckedPayload(const Payload* payload, std::uint64_t size) {
  if (payload == nullptr || (!payload->ids && payload->fields.empty())) return;
  payload_ = payload;
  check_columns(payload_->fields, size);
  if (payload_->ids) order_ = order_of(*payload_->ids, size);
}

std::uint64_t CheckedPayload::hash() const {
  if (payload_ == nullptr) return 0;
  Hasher hasher;
  if (payload_->ids) hasher.add(*payload_->ids);
  for (const Column& column : payload_->fields) {
    hasher.add(std::string_view(column.name));
    hasher.add(column.values);
    hasher.add(column.present);
  }
  return hasher.digest();
}

void CheckedPayload::write(FileWriter& writer, Manifest& manifest) const {
  if (payload_ == nullptr) return;
  if (payload_->ids) {
    write_external_ids(*payload_->ids, order_, writer);
    manifest.external_ids = static_cast<IdType>(payload_->ids->index());
  }
  manifest.fields = write_columns(payload_->fields, writer);
}

}  // namespace cassata
