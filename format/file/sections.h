// Names of the sections of an index file; docs/format.md describes their bytes.
#pragma once

#include <string_view>

namespace cassata {

// Codes of the first stage, and of the second. A model or offsets of rows have a section of their own, whose name
// begins as that of the rows.
inline constexpr std::string_view kRowsSection = "codes.rows";
inline constexpr std::string_view kRerankSection = "rerank.rows";
inline constexpr std::string_view kOffsetsSuffix = ".offsets";  ///< where each row begins, if their lengths differ
inline constexpr std::string_view kModelSuffix = ".model";      ///< what an encoder has learned

inline constexpr std::string_view kIdsSection = "ids";  ///< n u32: the ids of the rows

// Base layer.
inline constexpr std::string_view kEdgesSection = "graph.edges";
inline constexpr std::string_view kPlacesSection = "graph.places";           ///< of graph type compressed
inline constexpr std::string_view kPagesSection = "graph.pages";             ///< of graph type paged
inline constexpr std::string_view kPageRowsSection = "graph.page_rows";      ///< of graph type paged
inline constexpr std::string_view kUpperCodesSection = "graph.upper_codes";  ///< of graph type paged
inline constexpr std::string_view kDuplicatesSection = "graph.duplicates";
// Upper layers.
inline constexpr std::string_view kUpperNodesSection = "graph.upper_nodes";
inline constexpr std::string_view kUpperEdgesSection = "graph.upper_edges";

// External ids.
inline constexpr std::string_view kExternalIdsPrefix = "external_ids";
inline constexpr std::string_view kExternalIdValuesSection = "external_ids.values";  ///< of integers
inline constexpr std::string_view kExternalIdOrderSection = "external_ids.order";

// Inverted lists.
inline constexpr std::string_view kListsSection = "postings.lists";
inline constexpr std::string_view kDirectorySection = "postings.directory";
inline constexpr std::string_view kBucketsSection = "postings.buckets";
inline constexpr std::string_view kNeighborsSection = "postings.neighbors";

// Stored documents.
inline constexpr std::string_view kDocumentBlocksSection = "documents.blocks";
inline constexpr std::string_view kDocumentBlockOffsetsSection = "documents.blocks.offsets";
inline constexpr std::string_view kDocumentPlacesSection = "documents.places";
inline constexpr std::string_view kDocumentDictionarySection = "documents.dictionary";

}  // namespace cassata
