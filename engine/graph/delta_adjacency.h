// Delta-coded neighbour lists, for files in which rows lie close to their neighbours
// (docs/decisions/delta-coded-neighbour-lists.md).
//
//   graph.edges    7 u8        bit widths of the classes of differences, each at most 31 (code: kernels/delta_lists.h)
//                  57 u8       zeros
//                  lists       row by row, without gaps
//                  64 u8       zeros
//   graph.places   records of 64 bytes, each for 56 rows, or for 28 if some list has more than 255 bytes:
//                    u64              first byte in graph.edges of the list of its first row
//                    56 u8 | 28 u16   bytes of each row's list; zeros after the last row
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

class DeltaAdjacency final : public Adjacency {
 public:
  /// Throws Error(corrupt) if the sections' lengths do not match `size`. Widths of classes are checked by verify()
  /// alone.
  DeltaAdjacency(const Section& edges, const Section& places, std::size_t size, std::size_t max_degree);
  void prefetch_location(Id id) const noexcept override;
  std::span<const std::byte> locate(Id id) const noexcept override;
  std::span<const Id> read(Id id, std::span<const std::byte> list, Id* scratch) const noexcept override;
  void verify(const Reading& reading = {}) const override;

 private:
  /// The bytes of a list; empty if its location in a damaged file is outside of the section.
  std::span<const std::byte> list(Id id) const noexcept;
  std::size_t length(const std::byte* record, std::size_t i) const noexcept;
  void verify_places(const Reading& reading) const;

  Section edges_, places_;
  bool wide_;  // lengths of lists are u16
  kernels::delta_lists::DeltaCode code_;
  kernels::delta_lists::Kernels kernels_;
};

/// Encodes `size` lists. Calls `edges` with the bytes of section graph.edges, part by part, and returns those of
/// graph.places. list_of(row, list) appends the neighbours of `row` to the empty `list`, in ascending order, each once.
/// It is called twice for each row.
std::vector<std::byte> compress(std::size_t size, const std::function<void(Id row, std::vector<Id>& list)>& list_of,
                                const std::function<void(std::span<const std::byte>)>& edges);

}  // namespace cassata
