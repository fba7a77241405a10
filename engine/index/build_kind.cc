#include "engine/index/build_kind.h"

#include "engine/build/posting_builder.h"
#include "engine/index/build_encoders.h"

namespace cassata {

BuiltParts build_flat(const BuildTask& task) {
  if (task.params.schema.vector_kind == VectorKind::sparse) return build_lists(task);
  write_flat(task.vectors, *task.encoders.all.front(), task.params.progress, task.writer);
  return {};
}

BuiltParts build_graph(const BuildTask& task) {
  const BuildParams& p = task.params;
  const GraphBuildParams graph{.metric = p.schema.distance(),
                               .m = p.graph.m,
                               .ef_construction = p.graph.ef_construction,
                               .num_threads = p.num_threads,
                               .progress = p.progress,
                               .checkpoint_interval = p.checkpoint_interval};
  GraphEntry entry =
      write_graph(task.vectors, task.encoders, graph, p.schema.graph, p.memory_budget, task.files, task.writer);
  if (p.schema.graph == GraphType::paged) entry.links = link_codes();
  return {.graph = std::move(entry)};
}

BuiltParts build_lists(const BuildTask& task) {
  PostingsParams params{.num_threads = task.params.num_threads, .progress = task.params.progress};
  if (task.params.schema.kind != Kind::flat) {
    params.bounds = false;
    params.n_postings = task.params.lists.n_postings;
    params.summary_energy = task.params.lists.summary_energy;
    params.n_knn = task.params.lists.n_knn;
  }
  return {.postings = write_postings(task.vectors, *task.encoders.all.front(), params, task.files, task.writer)};
}

}  // namespace cassata
