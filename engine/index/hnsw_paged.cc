// The graph kind, in pages: for collections of which neither vectors nor codes fit into memory.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "engine/codec/packed_rows.h"
#include "engine/graph/hierarchy.h"
#include "engine/graph/page_store.h"
#include "engine/index/graph_searcher.h"
#include "engine/index/registry.h"
#include "engine/search/page_walk.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

/// The codec of rows in pages: of their own codes, or of their codes as links.
std::unique_ptr<RowCodec> open_codec(const MappedFile& file, const CodesEntry& entry) {
  const Manifest& m = file.manifest();
  const EncodingRow& encoding = row_of(entry.encoding);
  if (encoding.codec == nullptr || !encoding.compact || !has_metric(encoding.distances, m.schema.metric))
    corrupt(file.manifest_place() + "rows in pages in encoding '" + std::string(encoding.name) +
            "', expected one of the compact encodings of dense vectors");
  return encoding.codec({.rows = file.section(entry.section),
                         .offsets = {},
                         .model = file.section(entry.section + std::string(kModelSuffix))},
                        {.dim = m.dim, .metric = m.schema.distance(), .code = entry.code});
}

/// The upper nodes, in the codes of links.
PackedRows open_upper(const MappedFile& file, const GraphEntry& entry) {
  if (!entry.links) corrupt(file.manifest_place() + "a graph in pages without an entry for its links' codes");
  return {open_codec(file, *entry.links), file.section(entry.links->section),
          entry.level_sizes.empty() ? 0 : entry.level_sizes.front()};
}

PageShape shape_of(const MappedFile& file, const GraphEntry& entry, const RowCodec& own, const RowCodec& links) {
  const std::uint32_t bytes = entry.page_bytes;
  if (bytes < PageShape::kLeastBytes || bytes > PageShape::kMostBytes || (bytes & (bytes - 1)) != 0)
    corrupt(file.manifest_place() + "pages of " + std::to_string(bytes) + " bytes, expected a power of two from " +
            std::to_string(PageShape::kLeastBytes) + " on");
  return {.page_bytes = bytes, .own_bytes = own.row_bytes(), .link_bytes = links.row_bytes()};
}

class PagedLayout final : public GraphLayout {
 public:
  PagedLayout(const MappedFile& file, const GraphEntry& entry)
      : own_(open_codec(file, {.encoding = file.manifest().schema.first.encoding,
                               .section = file.manifest().first_section,
                               .code = file.manifest().schema.first.code})),
        upper_(open_upper(file, entry)),
        links_(upper_.codec()),
        upper_codes_(file.section(entry.links->section)),
        metric_(file.manifest().schema.distance()),
        pages_(file.section(kPagesSection), file.section(kPageRowsSection), shape_of(file, entry, *own_, links_),
               file.manifest().size, 2 * entry.m),
        levels_(file.section(kUpperNodesSection), file.section(kUpperEdgesSection), entry.level_sizes, entry.m,
                file.manifest().size) {}

  /// While the pages of one walk are read, the others go on.
  Interleaving interleaving() const noexcept override { return {.running = 4, .waiting = 0}; }
  std::unique_ptr<Walk> walk() const override { return std::make_unique<PagedWalk>(*this); }
  std::size_t nodes() const noexcept override { return pages_.size(); }
  /// A traversal reads about a page for each place of its beam, and more by the share of rows that do not pass; a scan
  /// reads each row.
  std::size_t scanned_rows(std::size_t width) const noexcept override {
    return static_cast<std::size_t>(std::sqrt(static_cast<double>(width) * static_cast<double>(pages_.size())));
  }

  void verify(const Reading& reading) const override {
    own_->verify_model(reading);
    upper_.verify(reading);
    levels_.verify(reading);
    pages_.verify(levels_.nodes(), upper_codes_.bytes, reading, [&](const Page& page) {
      for (std::size_t i = 0; i < page.rows(); ++i)
        own_->verify_row(pages_.section(), pages_.own_code_at(page, i), page.first() + i);
      for (std::size_t i = 0; i < page.links(); ++i)
        links_.verify_row(pages_.section(), pages_.link_code_at(page, i), page.link(i));
    });
  }

 private:
  class PagedWalk final : public Walk {
   public:
    explicit PagedWalk(const PagedLayout& layout)
        : own_(layout.own_->scorer(layout.metric_)),
          links_(layout.links_.scorer(layout.metric_)),
          upper_(layout.upper_, links_),
          walk_(layout.levels_, layout.pages_, upper_, *links_, *own_, work_) {}

    void start(const VectorView& query, std::size_t width, float relax, const RowFilter* filter) override {
      own_->bind(query);
      links_->bind(query);
      walk_.start(width, relax, filter);
    }
    bool step() override { return walk_.step(); }
    bool pending() const noexcept override { return false; }
    const std::vector<Candidate>& found() const noexcept override { return work_.beam.entries(); }
    Scorer* scorer() noexcept override { return nullptr; }

   private:
    std::unique_ptr<RowScorer> own_;
    std::shared_ptr<RowScorer> links_;
    PackedScorer upper_;
    Workspace work_;
    PageWalk walk_;
  };

  std::unique_ptr<RowCodec> own_;  // of rows in their pages
  PackedRows upper_;               // the upper nodes
  const RowCodec& links_;          // of neighbors in pages, and of the upper nodes
  Section upper_codes_;
  Metric metric_;
  Pages pages_;
  UpperLayers levels_;
};

}  // namespace

std::unique_ptr<GraphLayout> open_pages(const MappedFile& file, const GraphEntry& entry) {
  return std::make_unique<PagedLayout>(file, entry);
}

}  // namespace cassata
