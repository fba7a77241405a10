// Vectors that a command reads: from a file of any format, or typed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cassata/index.h"
#include "cassata/stream.h"
#include "format/input/token_files.h"
#include "tools/command.h"

namespace cassata::tools {

/// The kind of vectors in a file that is no index, by its extension: .bin and .npz are sparse.
VectorKind vector_kind_of(const std::filesystem::path& path);

/// Opens a file: an index, or another by its extension; .npz, which scipy.sparse.save_npz wrote, by Python, whole.
std::unique_ptr<VectorStream> open_vectors(const std::filesystem::path& path);

/// Throws Error(invalid_argument) unless `queries` are of the kind and, if dense, of the dim of the vectors in the file
/// `searched`.
void check_queries(const VectorStream& queries, VectorKind vector_kind, std::size_t dim, const std::string& searched);
void check_queries(const VectorStream& queries, const Index& index);

/// The token vectors of `count` queries to `index`, from the file or folder that --multivec-queries named; none if the
/// index has no tokens. Throws Error(invalid_argument) if they are missing, or given without need, or differ in number
/// of queries or in token_dim.
TokenQueries read_multivec_queries(const std::string& path, const Index& index, std::uint64_t count);

/// The files that --multivec-queries names; none if it is not given.
std::vector<std::filesystem::path> multivec_query_files(const std::string& path);

/// Adds the option --multivec-queries.
void add_multivec_queries(CommandLine& line, std::string& path);

/// Vectors that were read from text, one a line; empty lines are skipped.
class TypedVectors {
 public:
  /// Vectors of the kind and, if dense, of the dim of the vectors in `index`. Throws Error(invalid_argument) naming row
  /// and place.
  TypedVectors(const std::string& text, const Index& index);
  /// Borrows.
  std::unique_ptr<VectorStream> stream() const;

 private:
  void parse_dense(std::string_view line, std::size_t row);
  void parse_sparse(std::string_view line, std::size_t row);

  VectorKind vector_kind_;
  std::size_t dim_;
  std::vector<float> values_;
  std::vector<std::uint32_t> components_;
  std::vector<std::uint64_t> offsets_ = {0};
};

}  // namespace cassata::tools
