// Row store: encoded rows of one length, one after another in a section.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/codec/codec.h"
#include "engine/codec/codes.h"
#include "engine/codec/fetching_scorer.h"

namespace cassata {

/// Row `id` is the row_bytes() bytes of the section from byte id * row_bytes() on.
class PackedRows final : public Codes {
 public:
  /// Throws Error(corrupt) if the section's length is not `size` rows.
  PackedRows(std::unique_ptr<RowCodec> codec, const Section& section, std::uint64_t size);

  std::unique_ptr<Scorer> scorer(Metric metric) const override;
  void verify(const Reading& reading) const override;
  void touch(Id id) const noexcept override { section_.touch(bytes(id)); }
  const DenseRows* dense_rows() const noexcept override { return &decoded_; }

  const RowCodec& codec() const noexcept { return *codec_; }
  const std::byte* begin() const noexcept { return section_.bytes.data(); }
  std::span<const std::byte> bytes(Id id) const noexcept {
    return {begin() + std::size_t{id} * codec_->row_bytes(), codec_->row_bytes()};
  }
  RowReads* reads() const noexcept { return section_.reads; }

 private:
  class Decoded final : public DenseRows {
   public:
    explicit Decoded(const PackedRows& rows) : rows_(rows) {}
    std::uint64_t size() const noexcept override { return rows_.size(); }
    std::size_t dim() const noexcept override { return rows_.dim(); }
    void decode(Id id, float* out) const override { rows_.codec().decode(rows_.bytes(id).data(), out); }

   private:
    const PackedRows& rows_;
  };

  std::unique_ptr<RowCodec> codec_;
  Section section_;
  Decoded decoded_{*this};
};

/// Opens packed rows. `codec` is a function that makes their codec from the sections and the spec.
template <auto codec>
std::unique_ptr<Codes> open_packed(const RowSections& sections, std::uint64_t size, const CodesSpec& spec) {
  return std::make_unique<PackedRows>(codec(sections, spec), sections.rows, size);
}

/// Scores packed rows by id. The row scorer may be shared: a query bound here is bound for rows stored elsewhere, too.
class PackedScorer final : public FetchingScorer<PackedRows> {
 public:
  PackedScorer(const PackedRows& rows, std::shared_ptr<RowScorer> scorer)
      : FetchingScorer(rows), scorer_(std::move(scorer)) {}

  void bind(VectorView query) override { scorer_->bind(query); }
  void bind(Id id) override { scorer_->bind(codes_.bytes(id).data()); }
  void score(std::span<const Id> ids, float* out) noexcept override;
  void prefetch(std::span<const Id> ids) const noexcept override;
  void score_range(Id first, std::size_t count, float* out) noexcept override;

 private:
  std::shared_ptr<RowScorer> scorer_;
};

}  // namespace cassata
