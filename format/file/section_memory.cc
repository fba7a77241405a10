#include "format/file/section_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

#include "cassata/error.h"
#include "format/base/text.h"
#include "format/file/layout.h"
#include "format/file/mapped_file.h"
#include "format/os/memory.h"

namespace cassata {
namespace {

/// True if hot sections of `hot_bytes` bytes fit into memory, leaving an eighth of it to the process and to what
/// searches read besides. Measured (docs/decisions/small-pages-until-warm.md): a wrong true costs most of the speed, a
/// wrong false some speed of the first queries.
bool fit(std::uint64_t hot_bytes) {
  if (hot_bytes < kHugePageBytes) return true;  // too small to ask for the limit
  const std::uint64_t limit = memory_limit();
  return hot_bytes <= limit - limit / 8;
}

/// The end of the piece of `piece_bytes`, a multiple of a huge page, that holds byte `begin`. Splits no huge page.
std::uint64_t end_of_piece(std::uint64_t begin, std::uint64_t piece_bytes) {
  return begin / piece_bytes * piece_bytes + piece_bytes;
}

}  // namespace

void check_lock(Resident resident, bool lock) {
  if (lock && resident == Resident::none)
    invalid_argument("lock: given without resident, expected resident 'hot' or 'all'");
}

void SectionMemory::expect(Access hot) {
  {
    const std::lock_guard lock(mutex_);
    if (hot_) return;
    hot_ = hot;
    fits_ = hot != Access::resident || fit(file_.hot_bytes());
    cold_ = hot == Access::resident && file_.hot_bytes() != 0;
    for (const SectionEntry& s : file_.manifest().sections) {
      if (s.tier == Tier::hot && hot == Access::resident)
        reads_.emplace_back(cold_);
      else
        reads_.emplace_back();
      if (warms(s) && s.length != 0) to_warm_.push_back(bytes_of(s));
    }
    std::ranges::stable_sort(to_warm_, std::greater(), [](auto part) { return part.size(); });
  }
  advise();
}

RowReads* SectionMemory::reads(const SectionEntry& section) noexcept {
  return hot_ ? &reads_[static_cast<std::size_t>(&section - file_.manifest().sections.data())] : nullptr;
}

bool SectionMemory::warms(const SectionEntry& section) const noexcept {
  return hot_ == Access::resident && fits_ && section.tier == Tier::hot;
}

/// True if a section is mapped with huge pages once it is in memory.
bool SectionMemory::in_huge_pages(const SectionEntry& section) const noexcept {
  return section.tier == Tier::hot && section.length >= kHugePageBytes && hot_ != Access::preloaded && fits_;
}

std::span<const std::byte> SectionMemory::bytes_of(const SectionEntry& section) const noexcept {
  return file_.bytes().subspan(section.offset, section.length);
}

void SectionMemory::advise() {
  const std::lock_guard lock(mutex_);
  Mapping::advise(file_.bytes(), Advice::normal);
  if (!hot_) return;
  const std::vector<SectionEntry>& sections = file_.manifest().sections;
  const auto at_random = [&](const SectionEntry& s) {
    return s.tier == Tier::cold || hot_ == Access::preloaded || !fits_;
  };
  for (const SectionEntry& s : sections) {
    if (s.tier == Tier::hot && hot_ == Access::preloaded) Mapping::advise(bytes_of(s), Advice::will_need);
    if (!at_random(s) && in_huge_pages(s) && !cold()) Mapping::advise(bytes_of(s), Advice::huge_pages);
  }
  for (auto s = sections.begin();
       s != sections.end();) {  // a call for those that lie side by side: files may have many
    const auto end = std::find_if_not(s, sections.end(), at_random);
    if (end != s) {
      const SectionEntry& last = end[-1];
      Mapping::advise(file_.bytes().subspan(s->offset, last.offset + last.length - s->offset), Advice::random);
    }
    s = std::find_if(end, sections.end(), at_random);
  }
  for (const auto part : to_warm_) Mapping::advise(part, Advice::random);
}

void SectionMemory::warm_on() noexcept {
  if (!cold()) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  constexpr std::uint64_t kPieceBytes = 2 * kHugePageBytes;
  for (std::uint64_t done = 0; done < kPieceBytes && !to_warm_.empty();) {
    std::span<const std::byte>& rest = to_warm_.back();
    const auto begin = static_cast<std::uint64_t>(rest.data() - file_.bytes().data());
    const auto piece = rest.first(std::min(rest.size(), end_of_piece(begin, kPieceBytes) - begin));
    if (rest.size() < kHugePageBytes) {
      Mapping::advise(piece, Advice::will_need);
    } else {
      // Small pages of this process prevent huge ones, so they are evicted first. They are few, so little is read
      // twice.
      if (const std::uint64_t there = Mapping::resident(piece); there != 0 && there != piece.size())
        Mapping::advise(piece, Advice::page_out);
      Mapping::advise(piece, Advice::huge_pages);  // read without read-ahead, since random advice is still in effect
    }
    try {
      Mapping::populate(piece, file_.path());
    } catch (...) {  // a query that reads it gets the same error
    }
    Mapping::advise(piece, Advice::normal);
    file_.check_warmed(begin, begin + piece.size(), piece.size() == rest.size());
    done += piece.size();
    rest = rest.subspan(piece.size());
    if (rest.empty()) to_warm_.pop_back();
  }
  if (to_warm_.empty() && fits_) cold_ = false;
}

void SectionMemory::warm_piece(std::uint64_t begin, std::uint64_t end, bool to_the_end) const {
  try {
    Mapping::populate(file_.bytes().subspan(begin, end - begin), file_.path());
  } catch (const Error&) {
    file_.check_warmed(begin, end, to_the_end);  // its error names the byte
    file_.check_intact();
    throw;
  }
  file_.check_warmed(begin, end, to_the_end);
  file_.check_intact();
}

void SectionMemory::warm(Resident resident, bool lock, const Progress& progress) {
  check_lock(resident, lock);
  if (resident == Resident::none) return;
  std::vector<const SectionEntry*> sections;
  std::uint64_t total = 0, done = 0;
  for (const SectionEntry& s : file_.manifest().sections)
    if (s.tier == Tier::hot || resident == Resident::all) sections.push_back(&s), total += s.length;
  if (const std::uint64_t limit = lock ? memory_limit() : total; total > limit)
    invalid_argument("lock: " + file_.path() + ": " + bytes_text(total) + " to lock, expected at most " +
                     bytes_text(limit) + ", the memory that this process may use");
  constexpr std::uint64_t kPieceBytes = 16 * kHugePageBytes;  // bytes between two reports
  {
    const FrontToBack reading(*this);  // keeps huge-page advice; with random advice each huge page would be read alone
    for (const SectionEntry* s : sections)
      for (std::uint64_t begin = s->offset, end = s->offset + s->length; begin < end;) {
        const std::uint64_t stop = std::min(end, end_of_piece(begin, kPieceBytes));
        if (in_huge_pages(*s)) Mapping::advise(file_.bytes().subspan(begin, stop - begin), Advice::huge_pages);
        warm_piece(begin, stop, stop == end);
        done += stop - begin;
        begin = stop;
        if (progress) progress("warm", done, total);
      }
    const std::lock_guard lock_warming(mutex_);
    to_warm_.clear();
    if (fits_) cold_ = false;
  }
  if (!lock) return;
  for (const SectionEntry* s : sections)
    if (const int refused = Mapping::lock(bytes_of(*s)); refused != 0) {
      rlimit limit{};
      ::getrlimit(RLIMIT_MEMLOCK, &limit);
      throw Error(Errc::io,
                  "lock: " + file_.path() + ": the system refuses to lock section '" + s->name +
                      "' in memory: " + std::strerror(refused) + "; RLIMIT_MEMLOCK (ulimit -l) is " +
                      bytes_text(limit.rlim_cur) + ", expected at least " + bytes_text(total),
                  refused);
    }
}

std::vector<SectionResidency> SectionMemory::residency() const {
  std::vector<SectionResidency> found;
  bool all = true;
  for (const SectionEntry& s : file_.manifest().sections) {
    found.push_back({s.name, s.tier, s.length, Mapping::resident(bytes_of(s))});
    all = all && *found.back().resident == s.length;
  }
  // mincore() reports every page as resident to a process that neither owns the file nor may write to it. A partial
  // answer is therefore real; "all resident" is trusted only with that right.
  const bool may_know = ::geteuid() == 0 || ::geteuid() == file_.owner() || ::access(file_.path().c_str(), W_OK) == 0;
  if (all && !may_know)
    for (SectionResidency& section : found) section.resident.reset();
  return found;
}

SectionMemory::FrontToBack::FrontToBack(SectionMemory& memory) : memory_(memory) {
  Mapping::advise(memory_.file_.bytes(), Advice::normal);
}

SectionMemory::FrontToBack::~FrontToBack() { memory_.advise(); }

}  // namespace cassata
