#include "engine/search/row_filter.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "engine/kernels/bitmaps.h"

namespace cassata {
namespace {

/// The rows whose ids are members.
Bitmap by_row(const Bitmap& ids, std::span<const Id> order) {
  Bitmap rows(order.size());
  kernels::bitmaps::select(ids.words(), ids.size(), order, rows.words());
  return rows;
}

}  // namespace

RowFilter::RowFilter(const Bitmap& ids, std::span<const Id> order)
    : ids_(&ids), order_(order), count_(kernels::bitmaps::count(ids.words())) {
  if (!order.empty()) by_row_ = by_row(ids, order);
}

void RowFilter::ready(const Duplicates& duplicates, std::size_t size) {
  std::optional<Bitmap> with_representatives, moved;
  const Bitmap* nodes = &rows();
  if (!duplicates.empty()) {
    with_representatives = *ids_;
    const auto each = [&](auto use) {
      duplicates.for_each([&](Id representative, Id row) {
        if (representative < ids_->size() && row < ids_->size()) use(representative, row);
      });
    };
    each([&](Id representative, Id row) {
      if (rows().test(row)) with_representatives->set(representative);
    });
    nodes = &*with_representatives;
    if (by_row_) {
      moved = by_row(*with_representatives, order_);
      nodes = &*moved;
    } else {
      each([&](Id, Id row) { with_representatives->reset(row); });
    }
  }
  size_ = size;
  by_node_ = Bitmap(size);
  std::ranges::copy(nodes->words().first(std::min(nodes->words().size(), by_node_.words().size())),
                    by_node_.words().begin());
  by_node_.clear_tail();  // without the duplicates that lie after all nodes
  blocked_.resize(size / 32 + 1);
  for (std::size_t i = 0; i < blocked_.size(); ++i) blocked_[i] = ~by_node_.half_word(i);
  blocked_.back() |= ~std::uint32_t{0} << (size % 32);
  take_sample();
}

/// Counts the nodes, and takes those at equal steps among them.
void RowFilter::take_sample() {
  const std::span<const Bitmap::Word> words = std::as_const(by_node_).words();
  constexpr std::size_t kChunk = 8;  // words
  std::vector<std::size_t> counts;
  nodes_ = 0;
  for (std::size_t i = 0; i < words.size(); i += kChunk) {
    counts.push_back(kernels::bitmaps::count(words.subspan(i, std::min(kChunk, words.size() - i))));
    nodes_ += counts.back();
  }
  sample_.clear();
  const std::size_t wanted = std::min(kSample, nodes_);
  std::size_t chunk = 0, before = 0;  // nodes in the chunks before `chunk`
  while (sample_.size() < wanted) {
    const std::size_t number = sample_.size() * nodes_ / wanted;  // among all nodes
    for (; number >= before + counts[chunk]; ++chunk) before += counts[chunk];
    std::size_t left = number - before, i = chunk * kChunk;
    for (;; ++i) {
      const auto here = static_cast<std::size_t>(std::popcount(words[i]));
      if (left < here) break;
      left -= here;
    }
    Bitmap::Word word = words[i];
    for (; left != 0; --left) word &= word - 1;
    sample_.push_back(static_cast<Id>(i * Bitmap::kBits + static_cast<std::size_t>(std::countr_zero(word))));
  }
}

}  // namespace cassata
