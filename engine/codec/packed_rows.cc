#include "engine/codec/packed_rows.h"

#include <string>
#include <utility>

#include "engine/kernels/prefetch.h"

namespace cassata {

PackedRows::PackedRows(std::unique_ptr<RowCodec> codec, const Section& section, std::uint64_t size)
    : Codes(size, codec->dim()), codec_(std::move(codec)), section_(section) {
  const std::size_t row = codec_->row_bytes();
  if (size > kMaxSize || dim() > kMaxDim)
    throw section.damaged(0, std::to_string(size) + " vectors of dim " + std::to_string(dim()) + ", expected at most " +
                                 std::to_string(kMaxSize) + " of dim " + std::to_string(kMaxDim));
  if (section.bytes.size() != size * row)
    throw section.damaged(0, "holds " + std::to_string(section.bytes.size()) + " bytes, expected " +
                                 std::to_string(size) + " rows of " + std::to_string(row));
}

std::unique_ptr<Scorer> PackedRows::scorer(Metric metric) const {
  return std::make_unique<PackedScorer>(*this, codec_->scorer(metric));
}

void PackedRows::verify(const Reading& reading) const {
  codec_->verify_model(reading);
  for (std::uint64_t id = 0; id < size(); ++id) {
    reading(bytes(static_cast<Id>(id)));
    codec_->verify_row(section_, id * codec_->row_bytes(), id);
  }
}

void PackedScorer::score(std::span<const Id> ids, float* out) noexcept {
  scorer_->score(codes_.begin(), ids, out);
  scored();
}

void PackedScorer::prefetch(std::span<const Id> ids) const noexcept {
  kernels::prefetch_rows(codes_.begin(), codes_.codec().row_bytes(), ids);
}

void PackedScorer::score_range(Id first, std::size_t count, float* out) noexcept {
  scorer_->score_range(codes_.begin(), first, count, out);
}

}  // namespace cassata
