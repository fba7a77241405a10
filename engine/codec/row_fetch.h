// Rows on their way from disk to memory, many at once, ahead of their use.
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

/// What a scorer asks for: fetch() before rows are scored, scored() after that. While all seems to be in memory,
/// nothing is asked, but now and then it is looked at whether scoring had to read. One thread.
class RowFetch {
 public:
  explicit RowFetch(Residency& residency) : residency_(residency) {}

  /// part_of(id): a row's bytes, in a mapping. True if some of them have to be read.
  /// Rows whose place has to be read first have that asked for by place_of(id).
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
    if constexpr (!std::is_null_pointer_v<PlaceOf>) ask(ids, place_of);
    ask(ids, part_of);
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
  static void ask(std::span<const Id> ids, PartOf part_of) noexcept {
    std::span<const std::byte> run;  // of parts that lie one after another
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
  bool watches_ = false;
  std::uint64_t read_ = 0;
};

/// The scorer of codes whose row `id` lies at bytes(id), in a mapping, and if that has to be looked up, at
/// place_bytes(id).
template <class RowCodes>
class RowScorer : public Scorer {
 public:
  explicit RowScorer(const RowCodes& codes) : codes_(codes), fetch_(codes.residency()) {}
  bool fetch(std::span<const Id> ids) noexcept override {
    const auto part_of = [this](Id id) { return codes_.bytes(id); };
    if constexpr (requires { codes_.place_bytes(Id{}); })
      return fetch_.fetch(ids, part_of, [this](Id id) { return codes_.place_bytes(id); });
    else
      return fetch_.fetch(ids, part_of);
  }

 protected:
  /// At the end of score().
  void scored() noexcept { fetch_.scored(); }

  const RowCodes& codes_;

 private:
  RowFetch fetch_;
};

}  // namespace cassata
