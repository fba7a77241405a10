#include "engine/index/stored_vectors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "cassata/error.h"
#include "engine/graph/row_order.h"
#include "format/file/sections.h"
#include "format/os/mapping.h"

namespace cassata {
namespace {

/// The order of rows; without a section for it that of ids.
Permutation order_of_rows(const MappedFile& file) {
  if (file.manifest().find(kIdsSection) == nullptr) return {};
  const Section section = file.section(kIdsSection);
  Mapping::advise(section.bytes, Advice::will_need);
  return Permutation(section, file.manifest().size);
}

}  // namespace

/// Vectors of one kind, one after another.
struct StoredVectors::Decoded {
  std::vector<float> values;
  std::vector<std::uint32_t> components;
  std::vector<std::uint64_t> offsets = {0};

  /// Ends a vector.
  VectorView end() {
    const auto begin = static_cast<std::size_t>(offsets.back());
    offsets.push_back(values.size());
    return {.values = std::span(values).subspan(begin),
            .components = components.empty() ? std::span<const std::uint32_t>() : std::span(components).subspan(begin)};
  }

  std::vector<float> summand = {};                            // of a dense vector
  std::vector<std::pair<std::uint32_t, float>> entries = {};  // of a sparse vector
};

StoredVectors::StoredVectors(const MappedFile& file, const StoredCodes& codes) : file_(file) {
  const Manifest& manifest = file.manifest();
  const bool second = codes.second && !manifest.schema.has(Role::maxsim);
  if (!second || manifest.schema.has(Role::residual)) summands_.push_back(codes.first.get());
  if (second) summands_.push_back(codes.second.get());
  section_ = second ? manifest.second_section : manifest.first_section;
}

std::shared_ptr<const std::vector<Id>> StoredVectors::rows() const {
  const std::lock_guard lock(mutex_);
  if (!rows_) rows_ = std::make_shared<const std::vector<Id>>(order_of_rows(file_).rows());
  return rows_;
}

Rows StoredVectors::at(std::span<const Id> ids) const {
  constexpr std::size_t kTogether = 512;  // rows that are requested at once
  const auto row_of = rows();
  const IndexSchema& schema = file_.manifest().schema;
  const std::size_t dim = file_.manifest().dim;
  std::vector<std::unique_ptr<Scorer>> readers;  // which request rows
  if (ids.size() > 1)
    for (const Codes* codes : summands_) readers.push_back(codes->scorer(schema.distance()));
  Decoded out;
  out.offsets.reserve(ids.size() + 1);
  if (schema.vector_kind == VectorKind::dense) out.values.reserve(ids.size() * dim);
  std::vector<Id> places;  // of some ids
  for (std::size_t begin = 0; begin < ids.size(); begin += kTogether) {
    const auto some = ids.subspan(begin, std::min(kTogether, ids.size() - begin));
    places.assign(some.begin(), some.end());
    if (!row_of->empty())
      for (Id& row : places) row = (*row_of)[row];
    for (const auto& reader : readers) reader->fetch(places);
    for (std::size_t i = 0; i < some.size(); ++i) {
      append(places[i], out);
      check(some[i], out.end());
    }
  }
  return Rows(schema.vector_kind, dim, std::move(out.values), std::move(out.components), std::move(out.offsets));
}

/// Appends the vector in file row `row`.
void StoredVectors::append(Id row, Decoded& out) const {
  const std::size_t begin = out.values.size();
  for (const Codes* codes : summands_) {
    codes->touch(row);
    if (const SparseEntries* const sparse = codes->sparse_entries()) {
      sparse->append(row, out.components, out.values);
      continue;
    }
    const std::size_t dim = codes->dim();
    out.values.resize(begin + dim);
    float* const values = out.values.data() + begin;
    if (codes == summands_.front()) {
      codes->dense_rows()->decode(row, values);
      continue;
    }
    out.summand.resize(dim);
    codes->dense_rows()->decode(row, out.summand.data());
    for (std::size_t i = 0; i < dim; ++i) values[i] += out.summand[i];
  }
  if (out.components.empty() || summands_.size() == 1) return;
  out.entries.clear();  // of both parts of a pruned vector, whose components differ
  for (std::size_t i = begin; i < out.values.size(); ++i) out.entries.emplace_back(out.components[i], out.values[i]);
  std::ranges::sort(out.entries, {}, &std::pair<std::uint32_t, float>::first);
  for (std::size_t i = 0; i < out.entries.size(); ++i)
    std::tie(out.components[begin + i], out.values[begin + i]) = out.entries[i];
}

void StoredVectors::check(Id id, const VectorView& vector) const {
  const auto refuse = [&](std::size_t i, const std::string& found) {
    corrupt(file_.path() + ": section '" + std::string(section_) + "': vector " + std::to_string(id) + ", " +
            (vector.components.empty() ? "column " : "entry ") + std::to_string(i) + ": " + found);
  };
  for (std::size_t i = 0; i < vector.values.size(); ++i)
    if (!std::isfinite(vector.values[i])) refuse(i, std::to_string(vector.values[i]) + ", expected a finite number");
  for (std::size_t i = 0; i < vector.components.size(); ++i)
    if (const std::uint32_t component = vector.components[i];
        component >= file_.manifest().dim || (i != 0 && component <= vector.components[i - 1]))
      refuse(i, "component " + std::to_string(component) + ", expected ascending ones below " +
                    std::to_string(file_.manifest().dim));
}

}  // namespace cassata
