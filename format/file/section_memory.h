// Which sections of an open index file are in memory, and how the others get there: all of the policy.
//
// Cold sections are read one row at a time, so read-ahead around a page fault would be wasted. The searcher of the file
// says how it reads the hot ones:
//
//   sequential   Lists and scans read on: read-ahead, and huge pages.
//   resident     Each traversal of a graph touches them all over. They have small pages without read-ahead until they
//                are warm, so that the first query reads little besides the bytes it needs, and huge pages afterwards.
//                Each query warms 4 MiB more, so that no query waits for more than its share. If they do not fit into
//                memory, they stay in small pages, and nothing is warmed (docs/decisions/small-pages-until-warm.md).
//   preloaded    What a paged graph has besides its pages is short: it is read at once, when the file is opened. Pages
//                that are evicted later come back without read-ahead.
//
// Until the searcher says so, the mapping has normal read-ahead: nobody but a searcher reads at random.
// Rows that will be scored are requested from disk many at once, until they are likely to be in memory (RowFetch).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "cassata/manifest.h"
#include "cassata/residency.h"
#include "cassata/types.h"
#include "format/file/row_reads.h"

namespace cassata {

class MappedFile;

/// How queries read hot sections.
enum class Access { sequential, resident, preloaded };

/// The memory of one open file. Any number of threads.
class SectionMemory {
 public:
  explicit SectionMemory(const MappedFile& file) : file_(file) {}
  SectionMemory(const SectionMemory&) = delete;
  SectionMemory& operator=(const SectionMemory&) = delete;

  /// Declares how hot sections will be read, before any query. Later calls do nothing.
  void expect(Access hot);
  /// Requests rows of a section of the file's manifest; null before expect().
  RowReads* reads(const SectionEntry& section) noexcept;

  /// True if warm_on() warms the section, and so compares it with its hashes.
  bool warms(const SectionEntry& section) const noexcept;
  /// True if queries may have to read hot sections from disk: of resident ones, until all are warm, and always if they
  /// do not fit into memory.
  bool cold() const noexcept { return cold_.load(std::memory_order_relaxed); }
  /// Warms the next 4 MiB of the resident sections, shortest section first, and maps them with huge pages. Called once
  /// per query, it brings all of them into memory at the speed of the disk. Does nothing if another thread is warming
  /// or nothing is left. Compares hash blocks with their hashes; MappedFile::check_intact() throws on a difference.
  void warm_on() noexcept;
  /// Reads the sections that `resident` selects into memory, front to back, and maps them, so that no query waits for
  /// them. Compares hash blocks with their hashes, each once. With `lock`, locks them in memory while the file is open.
  /// Reports stage "warm", in bytes. Throws Error: io (a page cannot be read, or the system refuses to lock so much),
  /// corrupt, invalid_argument (`lock` without `resident`, or more to lock than the memory that this process may use).
  void warm(Resident resident, bool lock = false, const Progress& progress = {});

  /// Bytes of each section in memory (mincore(2)). No numbers if the user neither owns the file nor may write to it:
  /// the kernel does not report them then.
  std::vector<SectionResidency> residency() const;

  /// While it lives, the mapping has normal read-ahead, for reading it front to back; afterwards, the advice for
  /// searches.
  class FrontToBack {
   public:
    explicit FrontToBack(SectionMemory& memory);
    FrontToBack(const FrontToBack&) = delete;
    FrontToBack& operator=(const FrontToBack&) = delete;
    ~FrontToBack();

   private:
    SectionMemory& memory_;
  };

 private:
  std::span<const std::byte> bytes_of(const SectionEntry& section) const noexcept;
  bool in_huge_pages(const SectionEntry& section) const noexcept;
  void advise();
  void warm_piece(std::uint64_t begin, std::uint64_t end, bool to_the_end) const;

  const MappedFile& file_;
  std::optional<Access> hot_;   // none: not declared yet
  bool fits_ = true;            // resident sections fit into memory
  std::deque<RowReads> reads_;  // of each section
  /// Parts of resident sections that are not yet warm, the next one last.
  std::vector<std::span<const std::byte>> to_warm_;
  std::mutex mutex_;  // guards to_warm_ and the advice of the mapping
  std::atomic<bool> cold_ = false;
};

}  // namespace cassata
