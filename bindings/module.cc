// cassata._core: the engine's Index as a Python class. Arguments become the engine's own, errors become Python's; no
// logic. bindings/cassata/_core.pyi tells what Python sees.

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/gil.h"
#include "bindings/numpy.h"
#include "cassata/clean.h"
#include "cassata/index.h"
#include "cassata/recommend.h"
#include "cassata/two_level.h"
#include "format/file/mapped_file.h"
#include "format/input/sparse_files.h"
#include "format/os/memory.h"

namespace cassata::python {
namespace {

using namespace py::literals;
using Path = std::filesystem::path;

/// Text of ours; a path in it may be no UTF-8, so its odd bytes come as Python's file functions write them.
py::str text(std::string_view bytes) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<py::ssize_t>(bytes.size()), "surrogateescape"));
}

/// cassata.FormatError; lives as long as the interpreter.
PyObject* format_error = nullptr;

void raise(const Error& error) {
  const auto set = [](PyObject* type, const py::tuple& arguments) {
    const auto made = py::reinterpret_steal<py::object>(PyObject_Call(type, arguments.ptr(), nullptr));
    if (made) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  };
  const py::str message = text(error.what());
  switch (error.code()) {
    case Errc::invalid_argument: return set(PyExc_ValueError, py::make_tuple(message));
    case Errc::io:
      if (error.system_error() == 0) return set(PyExc_OSError, py::make_tuple(message));
      set(PyExc_OSError,
          py::make_tuple(error.system_error(), message));  // Python makes it FileNotFoundError and its like
      if (error.published()) {
        py::error_already_set raised;
        py::setattr(raised.value(), "published", py::bool_(true));
        raised.restore();
      }
      return;
    case Errc::corrupt:
    case Errc::incompatible: return set(format_error, py::make_tuple(message));
  }
}

/// Calls `callback`, if there is one, and lets Ctrl-C through. Borrows it: the engine copies the function where the GIL
/// is not held.
Progress progress_of(const py::object& callback) {
  return [callback = &callback](std::string_view stage, std::uint64_t done, std::uint64_t total) {
    const WithGil with;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!callback->is_none()) (*callback)(text(stage), done, total);
  };
}

/// Notes become warnings.
ReplaceParams replacing(bool overwrite) {
  return {.overwrite = overwrite, .note = [](const std::string& message) {
            const WithGil with;
            if (PyErr_WarnFormat(PyExc_UserWarning, 2, "%U", text(message).ptr()) != 0) throw py::error_already_set();
          }};
}

/// Of a build of the class that `choices` name.
BuildParams params_of(const py::dict& choices, const py::object& progress, Shape shape = Shape::dense) {
  BuildParams params;
  params.kind = parse_kind(choices["kind"].cast<std::string>());
  params.metric = parse_metric(choices["metric"].cast<std::string>());
  params.encoding = parse_dtype(choices["dtype"].cast<std::string>(), choices["class_name"].cast<std::string>());
  params.num_threads = choices["num_threads"].cast<unsigned>();
  const auto given = [&](const char* name) { return choices.contains(name) ? choices[name].cast<std::uint32_t>() : 0; };
  params.code = {
      .m_pq = given("m_pq"), .bits = given("bits"), .rotated = choices.contains("opq") && choices["opq"].cast<bool>()};
  if (choices.contains("rerank_dtype"))
    params.rerank = {
        .encoding = parse_encoding(choices["rerank_dtype"].cast<std::string>(), shape),
        .code = {.bits = given("rerank_bits")},
        .prune_percentage = choices.contains("prune_percentage") ? choices["prune_percentage"].cast<double>() : 100,
        .residual = choices["residual"].cast<bool>()};
  if (choices.contains("navigation")) {
    params.rerank = {.encoding = params.encoding, .navigation = true};
    params.encoding = parse_navigation(choices["navigation"].cast<std::string>(), params.kind, shape);
  }
  if (params.kind == Kind::postings)
    params.postings = {.n_postings = choices["n_postings"].cast<std::uint32_t>(),
                       .summary_energy = choices["summary_energy"].cast<float>(),
                       .n_knn = choices["n_knn"].cast<std::uint32_t>()};
  if (params.kind == Kind::graph) {
    params.graph_type = parse_graph_type(choices["graph_type"].cast<std::string>());
    params.m = choices["m"].cast<std::uint32_t>();
    params.ef_construction = choices["ef_construction"].cast<std::uint32_t>();
    if (choices.contains("memory_budget"))
      params.memory_budget = parse_memory(choices["memory_budget"].cast<std::string>(), "memory_budget");
    params.resume = choices.contains("resume") && choices["resume"].cast<bool>();
  }
  params.replace = replacing(choices["overwrite"].cast<bool>());
  params.progress = progress_of(progress);
  return params;
}

/// The usual number of pieces, but no more than a vector has dimensions.
void choose_pieces(const py::dict& choices, const VectorStream& vectors, BuildParams& params) {
  if (choices.contains("m_pq_at_most"))
    params.code.m_pq =
        static_cast<std::uint32_t>(std::min<std::size_t>(choices["m_pq_at_most"].cast<std::uint32_t>(), vectors.dim()));
}

Index build_from_file(const Path& data_path, const Path& path, const py::object& progress, const py::kwargs& choices) {
  BuildParams params = params_of(choices, progress);
  const std::unique_ptr<VectorStream> vectors = open_stream(data_path);
  choose_pieces(choices, *vectors, params);
  const WithoutGil without;
  return Index::build(*vectors, params, path);
}

Index build_from_sparse_file(const Path& data_path, const Path& path, const py::object& progress,
                             const py::kwargs& choices) {
  const BuildParams params = params_of(choices, progress, Shape::sparse);
  const WithoutGil without;
  return Index::build(*open_sparse_stream(data_path), params, path);
}

Index build_from_sparse_arrays(const ComponentArray& components, const FloatArray& values, const OffsetArray& offsets,
                               const Path& path, const py::object& progress, const Path& name,
                               const py::kwargs& choices) {
  const BuildParams params = params_of(choices, progress, Shape::sparse);
  const std::unique_ptr<SparseStream> vectors =
      sparse_memory_stream(name.string(), span(components), span(values), span(offsets));
  const WithoutGil without;
  return Index::build(*vectors, params, path);
}

Index build_from_array(const py::array& data_vec, const Path& path, const py::object& progress,
                       const py::kwargs& choices) {
  BuildParams params = params_of(choices, progress);
  const std::unique_ptr<VectorStream> vectors = stream("data_vec", data_vec);
  choose_pieces(choices, *vectors, params);
  const WithoutGil without;
  return Index::build(*vectors, params, path);
}

Index open_file(const Path& path) {
  const WithoutGil without;
  return Index::open(path);
}

py::tuple answer(const Index& index, const Batch& queries, const SearchParams& params) {
  const std::vector<std::size_t> shape = {queries.rows, params.k};
  py::array_t<float> scores(shape);
  py::array_t<std::int64_t> ids(shape);
  const Hits out{.ids = {ids.mutable_data(), queries.rows * params.k},
                 .scores = {scores.mutable_data(), queries.rows * params.k}};
  {
    const WithoutGil without;
    index.search(queries, params, out);
  }
  return py::make_tuple(std::move(scores), std::move(ids));
}

using TokenArrays = std::optional<std::tuple<FloatArray, OffsetArray>>;

py::tuple search(const Index& index, const FloatArray& queries, std::size_t k, std::size_t ef_search,
                 float early_exit_threshold, unsigned num_threads, std::size_t k_candidates, std::optional<float> alpha,
                 std::optional<std::size_t> beta, const TokenArrays& tokens, bool sum_stages) {
  return answer(index, borrow(borrow(queries), tokens),
                {.k = k,
                 .ef_search = ef_search,
                 .early_exit_threshold = early_exit_threshold,
                 .k_candidates = k_candidates,
                 .alpha = alpha,
                 .beta = beta,
                 .sum_stages = sum_stages,
                 .num_threads = num_threads});
}

py::tuple search_sparse(const Index& index, const ComponentArray& components, const FloatArray& values,
                        const OffsetArray& offsets, std::size_t k, std::size_t ef_search, float early_exit_threshold,
                        unsigned num_threads, std::size_t k_candidates, std::optional<float> alpha,
                        std::optional<std::size_t> beta, std::size_t query_cut, float heap_factor,
                        const TokenArrays& tokens, bool sum_stages) {
  return answer(index, borrow(borrow(components, values, offsets), tokens),
                {.k = k,
                 .ef_search = ef_search,
                 .query_cut = query_cut,
                 .heap_factor = heap_factor,
                 .early_exit_threshold = early_exit_threshold,
                 .k_candidates = k_candidates,
                 .alpha = alpha,
                 .beta = beta,
                 .sum_stages = sum_stages,
                 .num_threads = num_threads});
}

/// What Python gives for vectors: a file's path, the arrays of compressed rows, or a dense array.
std::unique_ptr<VectorStream> stream_of(const std::string& name, const py::object& vectors) {
  if (py::isinstance<py::str>(vectors)) {
    const Path path = vectors.cast<Path>();
    if (input_extension(path) == ".bin") return open_sparse_stream(path);
    return open_stream(path);
  }
  if (!py::isinstance<py::tuple>(vectors)) return stream(name, vectors.cast<py::array>());
  const auto arrays = vectors.cast<py::tuple>();
  return sparse_memory_stream(name, span(arrays[0].cast<ComponentArray>()), span(arrays[1].cast<FloatArray>()),
                              span(arrays[2].cast<OffsetArray>()));
}

py::dict describe(const Trial& trial) {
  py::dict arguments;
  for (const auto& [name, value] : arguments_of(trial.params)) arguments[text(name)] = py::cast(value);
  py::dict out("class_name"_a = text(trial.class_name), "arguments"_a = arguments);
  if (!trial.refusal.empty()) {
    out["refusal"] = text(trial.refusal);
    return out;
  }
  out["hot_bytes"] = static_cast<std::uint64_t>(trial.hot_bytes);
  out["bytes"] = static_cast<std::uint64_t>(trial.bytes);
  for (const char* name : {"ef_search", "recall", "queries_per_second"}) out[name] = py::none();
  if (!trial.reached) return out;
  if (trial.ef_search() != 0) out["ef_search"] = trial.ef_search();
  out["recall"] = trial.reached->recall;
  out["queries_per_second"] = trial.reached->queries_per_second;
  return out;
}

py::dict recommend_index(const py::object& vectors, const py::object& queries, const py::object& progress,
                         const py::kwargs& choices) {
  RecommendParams params{
      .metric = parse_metric(choices["metric"].cast<std::string>()),
      .k = choices["k"].cast<std::size_t>(),
      .target_recall = choices["target_recall"].cast<double>(),
      .memory = choices["memory"].is_none() ? 0 : parse_memory(choices["memory"].cast<std::string>()),
      .sample = choices["sample"].cast<std::uint64_t>(),
      .num_threads = choices["num_threads"].cast<unsigned>(),
      .progress = progress_of(progress)};
  const std::unique_ptr<VectorStream> collection = stream_of("data", vectors);
  const std::unique_ptr<VectorStream> asked = queries.is_none() ? nullptr : stream_of("queries", queries);
  Recommendation found;
  {
    const WithoutGil without;
    const Rows rows = asked ? Rows(*asked) : Rows(Shape::dense, 1);
    const Batch batch = rows.batch();
    found = recommend(*collection, asked ? &batch : nullptr, params);
  }
  py::list trials;
  for (const Trial& trial : found.trials) trials.append(describe(trial));
  py::dict out = describe(found.choice());
  out["why"] = text(found.why);
  out["trials"] = trials;
  return out;
}

py::dict train(const Path& folder, const Path& out_folder, const py::object& progress, std::size_t pq_subspaces,
               std::uint64_t n_centroids, unsigned num_threads, bool overwrite) {
  const TwoLevelChoices choices{.pq_subspaces = pq_subspaces,
                                .n_centroids = n_centroids,
                                .num_threads = num_threads,
                                .replace = replacing(overwrite),
                                .progress = progress_of(progress)};
  TwoLevelSummary made;
  {
    const WithoutGil without;
    made = train_two_level(folder, out_folder, choices);
  }
  return py::dict("documents"_a = made.documents, "tokens"_a = made.tokens, "token_dim"_a = made.token_dim,
                  "pq_subspaces"_a = made.pq_subspaces, "n_centroids"_a = made.n_centroids, "samples"_a = made.samples,
                  "centroid_error"_a = made.centroid_error, "error"_a = made.error,
                  "plain_bytes_per_token"_a = made.plain_bytes, "bytes_per_token"_a = made.bytes);
}

py::list clean_folder(const Path& folder, bool resumable, bool dry_run) {
  std::vector<Leftover> found;
  {
    const WithoutGil without;
    found = clean(folder, {.dry_run = dry_run, .resumable = resumable});
  }
  py::list out;
  for (const Leftover& one : found)
    out.append(py::dict("path"_a = text(one.path.string()),
                        "what"_a = one.what == Leftover::What::partial ? "unfinished file" : "work folder",
                        "bytes"_a = one.bytes,
                        "kept"_a = one.kept.empty() ? py::object(py::none()) : py::object(text(one.kept))));
  return out;
}

Index join(const Index& first, const Path& folder, const Path& path, bool overwrite, const py::object& progress,
           std::optional<bool> two_level, std::size_t pq_subspaces, const Path& ids) {
  TokenChoices choices{.ids = ids, .replace = replacing(overwrite), .progress = progress_of(progress)};
  if (pq_subspaces != 0) choices.pq_subspaces = pq_subspaces;
  if (two_level) choices.layout = *two_level ? TokenLayout::two_level : TokenLayout::plain;
  const WithoutGil without;
  return Index::join(first, folder, choices, path);
}

void save(const Index& index, const Path& path, const py::object& progress, bool overwrite) {
  const Progress report = progress_of(progress);
  const WithoutGil without;
  index.save(path, report, replacing(overwrite));
}

void verify(const Index& index, const py::object& progress) {
  const Progress report = progress_of(progress);
  const WithoutGil without;
  index.verify(report);
}

void warm(const Index& index, const std::string& resident, bool lock, const py::object& progress) {
  const Resident what = parse_resident(resident);
  const Progress report = progress_of(progress);
  const WithoutGil without;
  index.warm(what, lock, report);
}

/// The index over the file that stands now at its path, and whether that has another content. The given one stays as it
/// is, for calls under way.
py::tuple reloaded(const Index& index, const std::string& verify, const std::optional<std::string>& resident, bool lock,
                   const py::object& progress) {
  const OpenParams params{.verify = parse_verify(verify),
                          .resident = resident ? parse_resident(*resident) : Resident::none,
                          .lock = lock,
                          .progress = progress_of(progress)};
  Index fresh(index);
  bool changed = false;
  {
    const WithoutGil without;
    changed = fresh.reload(params);
  }
  return py::make_tuple(std::move(fresh), changed);
}

py::list residency(const Index& index) {
  py::list sections;
  for (const SectionResidency& section : index.residency())
    sections.append(py::dict("name"_a = text(section.name), "tier"_a = section.tier == Tier::hot ? "hot" : "cold",
                             "bytes"_a = section.bytes, "resident_bytes"_a = section.resident));
  return sections;
}

py::object describe(const std::optional<GraphEntry>& graph) {
  if (!graph) return py::none();
  return py::dict("graph_type"_a = text(name_of(graph->type)), "m"_a = graph->m,
                  "ef_construction"_a = graph->ef_construction, "level_sizes"_a = py::cast(graph->level_sizes),
                  "duplicates"_a = graph->duplicates, "near_copies"_a = graph->near_copies);
}

py::object number_or_none(std::uint32_t number) {
  return number == 0 ? py::object(py::none()) : py::object(py::int_(number));
}

py::object navigation(const Manifest& manifest) {
  return manifest.navigates() ? py::object(text(name_of(manifest.codes.front().encoding))) : py::none();
}

py::object describe_rerank(const Manifest& manifest) {
  if (!manifest.rerank || manifest.rerank->navigation) return py::none();
  const CodeParams& code = manifest.codes[1].code;
  if (code.token_dim != 0)
    return py::dict("dtype"_a = text(name_of(manifest.codes[1].encoding)), "token_dim"_a = code.token_dim,
                    "m_pq"_a = number_or_none(code.m_pq));
  return py::dict("dtype"_a = text(name_of(manifest.codes[1].encoding)), "bits"_a = number_or_none(code.bits),
                  "prune_percentage"_a = manifest.rerank->prune_percentage, "residual"_a = manifest.rerank->residual);
}

py::object describe(const std::optional<PostingsEntry>& postings) {
  if (!postings) return py::none();
  return py::dict("lists"_a = postings->lists, "n_postings"_a = postings->n_postings,
                  "summary_energy"_a = postings->summary_energy, "n_knn"_a = postings->n_knn);
}

py::object describe(const std::optional<SelfCheck>& check) {
  if (!check) return py::none();
  return py::dict("k"_a = check->k, "ef_search"_a = check->ef_search, "rows"_a = check->rows,
                  "recall_rows"_a = check->recall_rows, "fresh"_a = check->fresh,
                  "recall_fresh"_a = check->recall_fresh, "recall"_a = check->recall());
}

py::dict describe(const Provenance& provenance) {
  py::list inputs;
  for (const InputEntry& input : provenance.inputs) {
    inputs.append(
        py::dict("name"_a = text(input.name), "rows"_a = input.rows, "bytes"_a = input.bytes, "xxh3"_a = input.xxh3));
  }
  py::dict parameters;
  for (const auto& [name, value] : provenance.parameters) parameters[text(name)] = text(value);
  return py::dict("library_version"_a = text(provenance.library_version), "inputs"_a = inputs,
                  "parameters"_a = parameters, "self_check"_a = describe(provenance.self_check));
}

py::bytes uuid(const Index& index) {
  const auto& bytes = index.file().header().uuid;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

py::dict info(const Index& index) {
  const Manifest& manifest = index.manifest();
  const Header& header = index.file().header();
  py::list sections;
  for (const SectionEntry& section : manifest.sections) {
    sections.append(py::dict("name"_a = text(section.name), "offset"_a = section.offset, "length"_a = section.length,
                             "tier"_a = section.tier == Tier::hot ? "hot" : "cold"));
  }
  return py::dict("class"_a = text(index.class_name()), "kind"_a = text(name_of(manifest.kind)), "n"_a = index.size(),
                  "dim"_a = index.dim(), "metric"_a = text(name_of(manifest.metric)),
                  "dtype"_a = text(name_of(manifest.stored().encoding)), "navigation"_a = navigation(manifest),
                  "bits"_a = number_or_none(manifest.codes.front().code.bits),
                  "m_pq"_a = number_or_none(manifest.codes.front().code.m_pq),
                  "opq"_a = manifest.codes.front().code.rotated, "graph"_a = describe(manifest.graph),
                  "postings"_a = describe(manifest.postings), "rerank"_a = describe_rerank(manifest),
                  "ef_search"_a = number_or_none(manifest.ef_search), "sections"_a = sections,
                  "file_size"_a = header.file_length,
                  "format_version"_a = py::make_tuple(header.format_major, header.format_minor), "uuid"_a = uuid(index),
                  "provenance"_a = describe(manifest.provenance));
}

void define_index(py::module_& module) {
  py::class_<Index>(module, "Index")
      .def_static("open", &open_file, "path"_a)
      .def_static("build_from_file", &build_from_file, "data_path"_a, "path"_a, "progress"_a)
      .def_static("build_from_array", &build_from_array, "data_vec"_a, "path"_a, "progress"_a)
      .def_static("build_from_sparse_file", &build_from_sparse_file, "data_path"_a, "path"_a, "progress"_a)
      .def_static("build_from_sparse_arrays", &build_from_sparse_arrays, "components"_a.noconvert(),
                  "values"_a.noconvert(), "offsets"_a.noconvert(), "path"_a, "progress"_a, "name"_a)
      .def_static("join", &join, "first"_a, "folder"_a, "path"_a, "overwrite"_a, "progress"_a, "two_level"_a,
                  "pq_subspaces"_a, "ids"_a)
      .def("search_sparse", &search_sparse, "components"_a.noconvert(), "values"_a.noconvert(), "offsets"_a.noconvert(),
           "k"_a, "ef_search"_a, "early_exit_threshold"_a, "num_threads"_a,
           "k_candidates"_a = SearchParams().k_candidates, "alpha"_a = py::none(), "beta"_a = py::none(),
           "query_cut"_a = SearchParams().query_cut, "heap_factor"_a = SearchParams().heap_factor,
           "tokens"_a = py::none(), "sum_stages"_a = false)
      .def("search", &search, "queries"_a.noconvert(), "k"_a, "ef_search"_a, "early_exit_threshold"_a, "num_threads"_a,
           "k_candidates"_a = SearchParams().k_candidates, "alpha"_a = py::none(), "beta"_a = py::none(),
           "tokens"_a = py::none(), "sum_stages"_a = false)
      .def("save", &save, "path"_a, "progress"_a, "overwrite"_a)
      .def("verify", &verify, "progress"_a)
      .def("check_touched", &Index::check_touched)
      .def("warm", &warm, "resident"_a, "lock"_a, "progress"_a)
      .def("reloaded", &reloaded, "verify"_a, "resident"_a, "lock"_a, "progress"_a)
      .def("residency", &residency)
      .def("info", &info)
      .def_property_readonly("uuid", &uuid)
      .def_property_readonly("class_name", [](const Index& index) { return text(index.class_name()); })
      .def_property_readonly("size", &Index::size)
      .def_property_readonly("dim", &Index::dim)
      .def_property_readonly("default_ef_search", &Index::default_ef_search)
      .def_property_readonly("token_dim", &Index::token_dim)
      .def_property_readonly("metric", [](const Index& index) { return text(name_of(index.manifest().metric)); });
}

}  // namespace
}  // namespace cassata::python

// Python calls PyInit__core, below, instead of what this defines.
PYBIND11_MODULE(_core_of_main, module) {
  using namespace cassata::python;
  module.doc() = "The engine. Use the classes of the package cassata.";
  const py::tuple bases = py::make_tuple(py::handle(PyExc_OSError), py::handle(PyExc_ValueError));
  format_error = PyErr_NewExceptionWithDoc("cassata.FormatError",
                                           "An index file is damaged, truncated, not one of ours, or needs a newer "
                                           "version of this library. The message names the file, and\n"
                                           "where it can the section and the byte. It is an OSError and a ValueError, "
                                           "too, as what readers of files raise; its errno is None.",
                                           bases.ptr(), nullptr);
  if (format_error == nullptr) throw py::error_already_set();
  module.add_object("FormatError", py::handle(format_error));
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const cassata::Error& error) {
      raise(error);
    }
  });
  define_index(module);
  module.def("recommend", &recommend_index, "data"_a, "queries"_a, "progress"_a);
  module.def("bytes_text", &cassata::bytes_text, "bytes"_a);
  module.def("clean", &clean_folder, "folder"_a, "resumable"_a, "dry_run"_a);
  module.def("train_two_level", &train, "folder"_a, "out_folder"_a, "progress"_a, "pq_subspaces"_a, "n_centroids"_a,
             "num_threads"_a, "overwrite"_a);
  module.attr("__version__") = cassata::library_version();
  module.attr("simd_target") = cassata::simd_target();
  py::dict aliases;
  for (const cassata::Metric metric : {cassata::Metric::dot_product, cassata::Metric::euclidean})
    for (const std::string_view alias : cassata::aliases_of(metric))
      aliases[text(alias)] = text(cassata::name_of(metric));
  module.attr("metric_aliases") = aliases;
  module.attr("default_query_cut") = cassata::SearchParams().query_cut;
  module.attr("bounds") = py::dict("m"_a = py::make_tuple(cassata::BuildParams::kMinM, cassata::BuildParams::kMaxM),
                                   "ef_construction"_a = py::make_tuple(1, cassata::kMaxSize));
  module.attr("low_recall") = cassata::SelfCheck::kLow;
  module.attr("default_heap_factor") = cassata::SearchParams().heap_factor;
}

/// pybind11 would wait for the lock that this thread holds, for ever, if another interpreter than the first imported
/// the module.
PYBIND11_PLUGIN_IMPL(_core) {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_main();
  PyErr_SetString(
      PyExc_ImportError,
      "cassata: imported in a sub-interpreter, which is unsupported: expected the main interpreter of a process "
      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
  return nullptr;
}
