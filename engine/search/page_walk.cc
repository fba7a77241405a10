#include "engine/search/page_walk.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace cassata {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

void PageWalk::start(std::size_t width, float relax, const RowFilter* filter) {
  width_ = width;
  filter_ = filter;
  pages_read_ = 0;
  relax_ = relax;
  level_ = levels_.levels().size();
  open_.clear();
  work_.entries.assign(1, 0);  // the entry point: a position
  if (level_ != 0) return start_level();
  open_.push_back({0, 0});  // without upper layers: row 0
  start_base();
}

void PageWalk::start_level() {
  const std::size_t entries = std::min(kEntriesPerWidth * width_, kMaxEntries);
  walk_.start(levels_.levels()[level_ - 1], upper_, work_.entries, level_ == 1 ? entries : 1, 0, work_);
}

void PageWalk::start_base() {
  level_ = 0;
  at_once_ = kFirstPages;
  work_.beam.reset(width_, relax_);
  work_.visited.reset(pages_.size());
  read_.reset(pages_.count());
  std::make_heap(open_.begin(), open_.end(), farther);
  choose();
}

bool PageWalk::step() {
  if (level_ != 0) {
    if (walk_.step()) return true;
    work_.entries.clear();
    for (const Candidate& c : work_.beam.entries()) work_.entries.push_back(c.id);
    if (--level_ != 0) {
      start_level();
      return true;
    }
    const auto last = static_cast<Id>(pages_.size() - 1);  // a damaged file may hold any row
    for (const Candidate& c : work_.beam.entries())
      open_.push_back({c.distance, std::min(read_once(levels_.nodes()[c.id]), last)});
    start_base();
    return true;
  }
  for (std::size_t i = 0; i < next_.size(); ++i) read(requested_[i], next_[i].id);
  fetch_.scored();
  if (choose()) return true;
  work_.beam.finish();
  return false;
}

/// Requests the pages of the closest candidates. False if there is no candidate that the beam could admit.
bool PageWalk::choose() {
  next_.clear();
  requested_.clear();
  if (filter_ != nullptr && pages_read_ > filter_->nodes()) {  // then a scan costs less
    work_.beam.reset(width_, relax_);
    return false;
  }
  while (!open_.empty() && next_.size() < at_once_ && work_.beam.admits(open_.front().distance)) {
    std::pop_heap(open_.begin(), open_.end(), farther);
    const Candidate candidate = open_.back();
    open_.pop_back();
    const Id page = pages_.page_of(candidate.id);
    if (!read_.visit(page)) continue;
    next_.push_back(candidate);
    requested_.push_back(page);
  }
  at_once_ = std::min(at_once_ + std::max<std::size_t>(1, at_once_ / 5), kMaxPages);
  pages_read_ += requested_.size();
  fetch_.fetch(requested_, [this](Id page) { return pages_.bytes(page); });
  return !next_.empty();
}

/// Scores all rows of a page, and the links of row `expanded` and of the rows that the beam keeps.
void PageWalk::read(std::uint32_t number, Id expanded) {
  const Page page = pages_.page(number);
  if (page.rows() == 0) return;
  places_.resize(page.rows());
  std::iota(places_.begin(), places_.end(), 0);
  rows_.resize(page.rows());
  std::iota(rows_.begin(), rows_.end(), page.first());
  work_.visited.filter_unvisited(rows_);
  const std::size_t count = std::max(page.rows(), page.links());
  if (work_.distances.size() < count) work_.distances.resize(count);
  own_.score(page.own_codes(), places_, work_.distances.data());
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (work_.beam.admits(work_.distances[i]) && (filter_ == nullptr || filter_->admits(rows_[i])))
      work_.beam.insert(work_.distances[i], rows_[i]);
  gather(page, expanded);
  links_.score(page.link_codes(), places_, work_.distances.data());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const float distance = work_.distances[i] == work_.distances[i] ? work_.distances[i] : kInfinity;
    if (!work_.beam.admits(distance)) continue;
    open_.push_back({distance, rows_[i]});
    std::push_heap(open_.begin(), open_.end(), farther);
  }
}

/// Puts the unvisited links of row `expanded` and of the rows that the beam keeps in rows_ and places_.
void PageWalk::gather(const Page& page, Id expanded) {
  marked_.assign(page.links(), 0);
  for (std::size_t i = 0; i < page.rows(); ++i) {
    if (page.first() + i != expanded && !work_.beam.keeps(work_.distances[i])) continue;
    const std::size_t end = page.slot_begin(i + 1);
    for (std::size_t s = page.slot_begin(i); s < end; ++s)
      if (const std::size_t link = page.slot(s); link < page.links()) marked_[link] = 1;
  }
  rows_.clear();
  places_.clear();
  for (std::size_t link = 0; link < page.links(); ++link) {
    if (marked_[link] == 0) continue;
    const Id row = page.link(link);
    if (!work_.visited.visit(row)) continue;
    rows_.push_back(row);
    places_.push_back(static_cast<Id>(link));
  }
}

}  // namespace cassata
