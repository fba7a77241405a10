// Neighbour lists as coded differences of rows, for files whose rows stand close to their neighbours.
//
//   graph.edges    7 u8        widths of the classes of differences, each at most 31 (engine/kernels/delta_lists.h says
//   how lists are coded by them)
//                  57 u8       zeros
//                  lists       row by row, without deltas
//                  64 u8       zeros
//   graph.places   records of 64 bytes, each of 56 rows, or of 28 if some list has more than 255 bytes:
//                    u64              where in graph.edges the list of its first row begins
//                    56 u8 | 28 u16   length of each row's list in bytes; zeros where there are no more rows
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/adjacency.h"
#include "engine/kernels/delta_lists.h"
#include "format/file/section.h"

namespace cassata {

/// Section that tells where the lists of a compressed graph lie.
inline constexpr std::string_view kPlacesSection = "graph.places";

class DeltaAdjacency final : public Adjacency {
 public:
  /// Throws Error(corrupt) if the sections' lengths or the classes are not what they must be.
  DeltaAdjacency(const Section& edges, const Section& places, std::size_t size, std::size_t max_degree);
  void prefetch_location(Id id) const noexcept override;
  std::span<const std::byte> locate(Id id) const noexcept override;
  std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept override;
  void verify(const Reading& reading = {}) const override;

 private:
  /// The bytes of a list; none where a damaged file has none for it.
  std::span<const std::byte> list(Id id) const noexcept;
  std::size_t length(const std::byte* record, std::size_t i) const noexcept;
  void verify_places(const Reading& reading) const;

  Section edges_, places_;
  bool wide_;  // lengths are u16
  kernels::delta_lists::DeltaCode code_;
  kernels::delta_lists::Kernels kernels_;
};

/// Gives the bytes of the edges' section for `size` lists to `edges`, piece by piece, and returns those of the places'
/// section. list_of(row, list) puts the rows that are next to `row` into the empty `list`, rising, each once; called
/// twice a row.
std::vector<std::byte> compress(std::size_t size, const std::function<void(Id row, std::vector<Id>& list)>& list_of,
                                const std::function<void(std::span<const std::byte>)>& edges);

}  // namespace cassata
