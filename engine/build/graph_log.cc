#include "engine/build/graph_log.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>

#include "cassata/checksum.h"
#include "cassata/error.h"
#include "format/file/section.h"

namespace cassata {
namespace {

constexpr std::size_t kRecordWords = std::size_t{1} << 18;  // approximate length of a record, in u32 words
constexpr std::uint64_t kMostGrowth = 4;  // a log of more than this many times the size of all lists is rewritten

const std::string kFresh = "graph.log.new";

struct RecordHead {
  std::uint64_t inserted, bytes, hash;
};

std::uint64_t hash_of(const RecordHead& head, std::span<const std::byte> words) {
  Xxh3 hash;
  hash.update(std::as_bytes(std::span(&head.inserted, 1)));
  hash.update(words);
  return hash.digest();
}

/// Reads the head of the record at byte `at`. True if the record is complete and its hash is right.
bool whole_record(std::span<const std::byte> bytes, std::uint64_t at, RecordHead& head) {
  if (bytes.size() - at < sizeof head) return false;
  head = number_at<RecordHead>(bytes.data() + at);
  at += sizeof head;
  return head.bytes <= bytes.size() - at && hash_of(head, bytes.subspan(at, head.bytes)) == head.hash;
}

}  // namespace

GraphLog::GraphLog(const WorkFiles& files, BuiltGraph& graph, std::chrono::milliseconds interval)
    : files_(files), graph_(graph), interval_(interval), file_(files.file(kName)) {
  for (const NeighborLists& level : graph.levels) changed_.emplace_back(level.size());
  if (file_.length() != 0) replay();
  file_.truncate(length_);
}

void GraphLog::replay() {
  const Mapping mapping = file_.map();
  const auto bytes = mapping.bytes();
  RecordHead head;
  for (std::uint64_t at = 0; whole_record(bytes, at, head);) {
    at += sizeof head + head.bytes;
    if (head.inserted == 0) continue;
    length_ = at;
    inserted_ = head.inserted - 1;
  }
  for (std::uint64_t at = 0; at < length_;) {
    head = number_at<RecordHead>(bytes.data() + at);
    at += sizeof head;
    const auto words =
        std::span(reinterpret_cast<const std::uint32_t*>(bytes.data() + at), head.bytes / sizeof(std::uint32_t));
    for (std::size_t i = 0; i < words.size(); i += 3 + words[i + 2]) {
      if (words.size() - i >= 4 && words[i] == graph_.levels.size() && words[i + 2] == 1 &&
          words[i + 1] < graph_.ids.size() && words[i + 3] < graph_.ids.size()) {
        graph_.duplicates.emplace_back(words[i + 1], words[i + 3]);
        continue;
      }
      if (words.size() - i < 3 || words[i] >= graph_.levels.size() || words[i + 1] >= graph_.levels[words[i]].size() ||
          words[i + 2] > graph_.levels[words[i]].max_degree() || words[i + 2] > words.size() - i - 3)
        files_.damaged(kName, "at byte " + std::to_string(at + i * sizeof(std::uint32_t)) +
                                  ": a list that the graph does not have");
      graph_.levels[words[i]].assign(words[i + 1], words.subspan(i + 3, words[i + 2]));
    }
    at += head.bytes;
  }
  duplicates_ = graph_.duplicates.size();
}

void GraphLog::note(std::size_t level, Id node) { changed_[level][node] = true; }

void GraphLog::batch_done(std::size_t nodes) {
  inserted_ += nodes;
  if (Clock::now() - last_ >= interval_) commit();
}

void GraphLog::commit() {
  std::uint64_t most = 0;
  for (const NeighborLists& level : graph_.levels)
    most += level.size() * (level.max_degree() + 3) * sizeof(std::uint32_t);
  if (length_ > kMostGrowth * most) rewrite();
  put_changed();
  file_.sync();
  last_ = Clock::now();
}

/// Starts a new log with all lists, in a file that replaces the old one at the end of the commit.
void GraphLog::rewrite() {
  files_.remove(kFresh);
  file_ = files_.file(kFresh);
  length_ = 0;
  for (auto& level : changed_) level.assign(level.size(), true);
  duplicates_ = 0;
}

void GraphLog::put_changed() {
  const bool fresh = length_ == 0;
  for (std::uint32_t l = 0; l < changed_.size(); ++l) {
    for (Id node = 0; node < changed_[l].size(); ++node) {
      if (!changed_[l][node]) continue;
      const auto list = graph_.levels[l].list(node);
      record_.insert(record_.end(), {l, node, static_cast<std::uint32_t>(list.size())});
      record_.insert(record_.end(), list.begin(), list.end());
      if (record_.size() >= kRecordWords) append(0);
    }
    changed_[l].assign(changed_[l].size(), false);
  }
  for (; duplicates_ < graph_.duplicates.size(); ++duplicates_) {
    const auto& [node, representative] = graph_.duplicates[duplicates_];
    record_.insert(record_.end(), {static_cast<std::uint32_t>(changed_.size()), node, 1, representative});
    if (record_.size() >= kRecordWords) append(0);
  }
  append(inserted_ + 1);
  if (!fresh || !std::filesystem::exists(files_.folder() / kFresh)) return;
  file_.sync();
  std::filesystem::rename(files_.folder() / kFresh, files_.folder() / kName);
}

void GraphLog::append(std::uint64_t inserted) {
  const auto bytes = std::as_bytes(std::span(record_));
  RecordHead head{.inserted = inserted, .bytes = bytes.size(), .hash = 0};
  head.hash = hash_of(head, bytes);
  file_.write(std::as_bytes(std::span(&head, 1)), length_);
  file_.write(bytes, length_ + sizeof head);
  length_ += sizeof head + bytes.size();
  record_.clear();
}

}  // namespace cassata
