// The base of scorers of mapped codes, which may have to be read from disk.
#pragma once

#include <span>

#include "engine/codec/codes.h"
#include "format/file/row_reads.h"

namespace cassata {

/// bytes(id) of the codes is row `id`, reads() are those of its section. If the place of a row is stored too,
/// place_bytes(id) is its bytes.
template <class RowCodes>
class FetchingScorer : public Scorer {
 public:
  explicit FetchingScorer(const RowCodes& codes) : codes_(codes), fetch_(codes.reads()) {}
  bool cold() const noexcept override { return fetch_.cold(); }
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
