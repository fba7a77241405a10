#include "engine/index/build_encoders.h"

#include <memory>
#include <string>
#include <utility>

#include "engine/codec/pruned.h"
#include "engine/codec/quantized.h"
#include "engine/codec/residual.h"
#include "engine/index/registry.h"
#include "format/file/sections.h"

namespace cassata {
namespace {

BuildEncoders sparse_encoders(const IndexSchema& schema, std::size_t dim) {
  BuildEncoders out;
  out.all.push_back(row_of(schema.first.encoding).encoder({.dim = dim, .metric = schema.distance()}));
  out.stored = {0};
  if (!schema.second) return out;
  out.all.push_back(row_of(schema.second->encoding).encoder({.dim = dim, .metric = schema.distance()}));
  out.stored.push_back(1);
  const double percentage = schema.first.prune_percentage;
  if (percentage < 100) out.all[0] = part_encoder(std::move(out.all[0]), percentage, Part::kept);
  if (schema.has(Role::residual)) out.all[1] = part_encoder(std::move(out.all[1]), percentage, Part::pruned);
  return out;
}

/// Builds traverse vectors of fewer dimensions by int8 codes, others by int4 codes, which find as good neighbours when
/// the errors of many values even out (docs/decisions/traversal-by-compact-codes.md). Memory-bounded builds traverse by
/// rabitq codes of 1 bit, which stay in memory, and select neighbours by int4 codes
/// (docs/decisions/bounded-builds-select-by-int4.md).
constexpr std::size_t kFewDims = 96;

/// The encoder whose codes others are trained on comes first, whether the file stores its codes or not.
BuildEncoders dense_encoders(const BuildParams& params, std::size_t dim) {
  BuildEncoders out;
  const IndexSchema& schema = params.schema;
  const Stage& first = schema.first;
  const auto add = [&](Encoding encoding, CodeParams code = {}, bool linear = false) {
    out.all.push_back(
        row_of(encoding).encoder({.dim = dim, .metric = schema.distance(), .code = code, .linear = linear}));
    return out.all.size() - 1;
  };
  const bool compact = row_of(first.encoding).compact, residual = schema.has(Role::residual);
  const bool second_compact = schema.second && row_of(schema.second->encoding).compact;
  add(!compact ? first.encoding : schema.second && !second_compact ? schema.second->encoding : Encoding::f32);
  out.stored = {compact ? add(first.encoding, first.code, residual) : 0};
  if (schema.second) out.stored.push_back(second_compact ? add(schema.second->encoding, schema.second->code) : 0);
  if (residual) out.all.back() = residual_encoder(*out.all[out.stored[0]], std::move(out.all.back()));
  if (schema.kind != Kind::graph || dim > kMaxQuantizedDim) return out;
  const auto find_or_add = [&](Encoding encoding, CodeParams code = {}) {
    return first.encoding == encoding && first.code.bits == code.bits ? out.stored[0] : add(encoding, code);
  };
  if (!has_metric(row_of(Encoding::dense_int4).distances, schema.metric))
    return out;  // traversed by the vectors themselves
  out.traversal = find_or_add(dim < kFewDims ? Encoding::dense_int8 : Encoding::dense_int4);
  if (params.memory_budget != 0) {
    out.pruning = out.traversal;
    if (dim >= kFewDims) out.traversal = find_or_add(Encoding::rabitq, {.bits = 1});
  }
  if (schema.graph == GraphType::paged) out.links = add(link_codes().encoding, link_codes().code);
  return out;
}

}  // namespace

CodesEntry link_codes() { return {Encoding::rabitq, std::string(kUpperCodesSection), {.bits = 1}}; }

BuildEncoders encoders_of(const BuildParams& params, std::size_t dim) {
  return params.schema.vector_kind == VectorKind::sparse ? sparse_encoders(params.schema, dim)
                                                         : dense_encoders(params, dim);
}

}  // namespace cassata
