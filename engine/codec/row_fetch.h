// Reads rows from disk ahead of their use, many at once (docs/decisions/rows-are-read-many-at-once.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "cassata/types.h"
#include "engine/codec/codes.h"
#include "engine/codec/row_residency.h"
#include "format/os/mapping.h"

namespace cassata {

/// Starts the reads of one scorer. Call fetch() before rows are scored, and scored() after that. While rows are likely
/// resident, nothing is requested, and scoring is sampled now and then for reads. One thread.
class RowFetch {
 public:
  explicit RowFetch(Residency& residency) : residency_(residency) {}

  /// Starts to read the rows `ids`. True if some of them have to be read from disk. part_of(id) is the row's bytes, in
  /// a mapping; place_of(id), if given, is the bytes of its place in the file, which part_of(id) reads.
  template <class PartOf, class PlaceOf = std::nullptr_t>
  bool fetch(std::span<const Id> ids, PartOf part_of, PlaceOf place_of = nullptr) noexcept {
    if (ids.empty()) return false;
    if (residency_.likely_resident()) {
      if (watches_ || !residency_.sample_now()) return false;
      watches_ = true;
      read_ = blocks_read();
      return false;
    }
    const std::uint64_t before = blocks_read();
    if constexpr (!std::is_null_pointer_v<PlaceOf>) request(ids, place_of);
    request(ids, part_of);
    const bool reads = blocks_read() != before;
    residency_.record(reads);
    return reads;
  }
  void scored() noexcept {
    if (!watches_) return;
    watches_ = false;
    if (blocks_read() != read_) residency_.record(true);
  }

 private:
  template <class PartOf>
  static void request(std::span<const Id> ids, PartOf part_of) noexcept {
    std::span<const std::byte> run;  // adjacent parts, requested together
    for (const Id id : ids) {
      const std::span<const std::byte> part = part_of(id);
      if (run.data() + run.size() == part.data()) {
        run = {run.data(), run.size() + part.size()};
        continue;
      }
      Mapping::advise(run, Advice::will_need);
      run = part;
    }
    Mapping::advise(run, Advice::will_need);
  }

  Residency& residency_;
  bool watches_ = false;    // this scoring is sampled
  std::uint64_t read_ = 0;  // blocks_read() before it
};

/// A scorer of mapped codes: bytes(id) is row `id`. If the place of a row is stored too, place_bytes(id) is its bytes.
template <class RowCodes>
class FetchingScorer : public Scorer {
 public:
  explicit FetchingScorer(const RowCodes& codes) : codes_(codes), fetch_(codes.residency()) {}
  bool fetch(std::span<const Id> ids) noexcept override {
    const auto part_of = [this](Id id) { return codes_.bytes(id); };
    if constexpr (requires { codes_.place_bytes(Id{}); })
      return fetch_.fetch(ids, part_of, [this](Id id) { return codes_.place_bytes(id); });
    else
      return fetch_.fetch(ids, part_of);
  }

 protected:
  /// Call at the end of score().
  void scored() noexcept { fetch_.scored(); }

  const RowCodes& codes_;

 private:
  RowFetch fetch_;
};

}  // namespace cassata
