#include "engine/search/touched.h"

#include <utility>

namespace cassata {
namespace {

class TouchedScorer final : public Scorer {
 public:
  TouchedScorer(std::unique_ptr<Scorer> scorer, const Codes& codes) : scorer_(std::move(scorer)), codes_(codes) {}

  void bind(VectorView query) override { scorer_->bind(query); }
  void bind(Id id) override {
    codes_.touch(id);
    scorer_->bind(id);
  }
  void score(std::span<const Id> ids, float* out) noexcept override {
    for (const Id id : ids) codes_.touch(id);
    scorer_->score(ids, out);
  }
  void prefetch(std::span<const Id> ids) const noexcept override { scorer_->prefetch(ids); }
  bool fetch(std::span<const Id> ids) noexcept override { return scorer_->fetch(ids); }
  /// Such rows lie in a section of another class, which touches them.
  void score_at(const std::byte* rows, std::span<const Id> places, float* out) noexcept override { scorer_->score_at(rows, places, out); }
  void score_range(Id first, std::size_t count, float* out) noexcept override {
    for (std::size_t i = 0; i < count; ++i) codes_.touch(first + static_cast<Id>(i));
    scorer_->score_range(first, count, out);
  }

 private:
  std::unique_ptr<Scorer> scorer_;
  const Codes& codes_;
};

class TouchedCodes final : public Codes {
 public:
  explicit TouchedCodes(std::unique_ptr<Codes> codes) : Codes(codes->size(), codes->dim()), codes_(std::move(codes)) {}

  std::unique_ptr<Scorer> scorer(Metric metric) const override { return std::make_unique<TouchedScorer>(codes_->scorer(metric), *codes_); }
  void verify(const Reading& reading) const override { codes_->verify(reading); }
  void touch(Id id) const noexcept override { codes_->touch(id); }
  std::size_t row_bytes() const noexcept override { return codes_->row_bytes(); }
  void verify_row(const Section& section, std::uint64_t at, std::uint64_t row) const override { codes_->verify_row(section, at, row); }
  void decode(Id id, float* out) const override {
    codes_->touch(id);
    codes_->decode(id, out);
  }

 private:
  std::unique_ptr<Codes> codes_;
};

}  // namespace

std::unique_ptr<Codes> touched_codes(std::unique_ptr<Codes> codes) { return std::make_unique<TouchedCodes>(std::move(codes)); }

}  // namespace cassata
