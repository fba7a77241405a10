// cassata._core: the engine's Index as a Python class. Arguments become the engine's own, errors become Python's; no
// logic. bindings/cassata/_core.pyi declares the module for Python.

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/columns.h"
#include "bindings/gil.h"
#include "bindings/given_documents.h"
#include "bindings/given_filters.h"
#include "bindings/numpy.h"
#include "bindings/parts.h"
#include "bindings/read_vectors.h"
#include "cassata/archive.h"
#include "cassata/clean.h"
#include "cassata/condition.h"
#include "cassata/facts.h"
#include "cassata/index.h"
#include "cassata/index_source.h"
#include "cassata/parameters.h"
#include "cassata/payload.h"
#include "cassata/recommend.h"
#include "cassata/two_level.h"
#include "format/base/text.h"
#include "format/file/mapped_file.h"
#include "format/input/sparse_files.h"
#include "format/os/memory.h"

namespace cassata::python {
namespace {

using namespace py::literals;
using Path = std::filesystem::path;

/// cassata.FormatError; lives as long as the interpreter.
PyObject* format_error = nullptr;

void raise(const Error& error) {
  const auto set = [](PyObject* type, const py::tuple& arguments) {
    const auto made = py::reinterpret_steal<py::object>(PyObject_Call(type, arguments.ptr(), nullptr));
    if (made) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  };
  const py::str message = text(error.what());
  switch (error.code()) {
    case Errc::invalid_argument: {
      set(PyExc_ValueError, py::make_tuple(message));
      const std::string_view all = error.what();
      const ParameterInfo* const row = find_parameter(all.substr(0, all.find(": ")));
      if (row == nullptr) return;
      py::error_already_set raised;
      py::setattr(raised.value(), "parameter", text(row->name));
      return raised.restore();
    }
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
  return {.overwrite = overwrite, .option = "overwrite=True", .note = [](const std::string& message) {
            const WithGil with;
            if (PyErr_WarnFormat(PyExc_UserWarning, 2, "%U", text(message).ptr()) != 0) throw py::error_already_set();
          }};
}

/// The vectors of an index, which is compared with its hashes before; sparse vectors are read once.
std::unique_ptr<VectorStream> vectors_in(const Index& index) {
  const WithoutGil without;
  return IndexSource(index).vectors();
}

/// Vectors from Python: an index, a file's path, the arrays of compressed rows, or a dense array. A path holds sparse
/// vectors if its extension is .bin, or if `sparse`.
std::unique_ptr<VectorStream> stream_of(const std::string& name, const py::object& vectors, bool sparse = false) {
  if (py::isinstance<Index>(vectors)) return vectors_in(vectors.cast<const Index&>());
  if (py::isinstance<py::str>(vectors)) {
    const Path path = vectors.cast<Path>();
    if (sparse || input_extension(path) == ".bin") return open_sparse_stream(path);
    return open_stream(path);
  }
  if (!py::isinstance<py::tuple>(vectors)) return stream(name, vectors.cast<py::array>());
  const auto arrays = vectors.cast<py::tuple>();
  return sparse_memory_stream(name, span(arrays[0].cast<ComponentArray>()), span(arrays[1].cast<FloatArray>()),
                              span(arrays[2].cast<OffsetArray>()));
}

bool holds_sparse(std::string_view class_name) {
  return std::ranges::any_of(index_classes(), [&](const IndexClass& one) {
    return one.name == class_name && one.vector_kind == VectorKind::sparse;
  });
}

/// The index in the file; None: the file is no index.
std::optional<Index> index_in(const Path& path) {
  const WithoutGil without;
  if (!is_index_file(path)) return {};
  return Index::open(path);
}

/// Builds from any input. If `class_name` is given, the index must be of that class.
Index build(const py::object& data, const Path& path, const py::object& progress, const std::string& name,
            const std::optional<std::string>& class_name, const py::object& ids, const py::object& fields,
            const std::optional<py::iterator>& documents, const py::list& filters, const py::kwargs& arguments) {
  Given<BuildParams> given = given_of(build_parameters(), arguments);
  if (class_name && arguments.contains("dtype") && !arguments["dtype"].is_none())
    parse_dtype(value_text(value_of(*find_parameter("dtype"), arguments["dtype"])), *class_name);
  std::optional<IndexSource> source;
  std::unique_ptr<VectorStream> vectors;
  if (py::isinstance<Index>(data)) {
    const auto& index = data.cast<const Index&>();
    const Filters chosen = filters_of(index, filters);
    const Progress report = progress_of(progress);
    const WithoutGil without;
    source.emplace(index, chosen.pointers.empty() ? nullptr : chosen.pointers.front(), report);
    IndexSource::complete(index, given);
    vectors = source->vectors();
  } else {
    vectors = stream_of(name, data, class_name && holds_sparse(*class_name));
  }
  BuildParams params = build_params(given, vectors->vector_kind());
  if (const std::string_view made = class_name_of(params.schema); class_name && !made.empty() && made != *class_name)
    invalid_argument("class_name: '" + *class_name + "' given, but the parameters are of class " + std::string(made));
  params.replace = replacing(params.replace.overwrite);
  params.progress = progress_of(progress);
  Payload payload = payload_of(ids, fields);
  params.payload = &payload;
  std::optional<GivenDocuments> stream;
  if (documents) params.documents = &stream.emplace(*documents);
  const bool with_fields = fields.is_none();
  const WithoutGil without;
  std::unique_ptr<DocumentStream> held;
  if (source) {
    payload = source->payload(std::move(payload), with_fields);
    if (!documents) params.documents = (held = source->documents()).get();
  }
  return Index::build(*vectors, params, path);
}

/// The choices of an opening, by name.
OpenParams open_params(const py::kwargs& choices, const py::object& progress) {
  OpenParams params;
  given_of(open_parameters(), choices).apply(params);
  params.progress = progress_of(progress);
  return params;
}

/// Calls `check` with the index before the file is verified or warmed.
Index open_file(const Path& path, const py::object& check, const py::object& progress, const py::kwargs& choices) {
  const OpenParams params = open_params(choices, progress);
  const WithoutGil without;
  return Index::open(path, params, [&](const Index& index) {
    const WithGil with;
    check(index);
  });
}

py::dict describe(const Trial& trial) {
  py::dict arguments;
  for (const auto& [name, value] : arguments_of(trial.params)) arguments[text(name)] = object_of(value);
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
  Given<RecommendParams> given = given_of(recommend_parameters(), choices);
  if (py::isinstance<Index>(vectors)) IndexSource::complete(vectors.cast<const Index&>(), given);
  RecommendParams params;
  given.apply(params);
  params.progress = progress_of(progress);
  const std::unique_ptr<VectorStream> collection = stream_of("data", vectors);
  const std::unique_ptr<VectorStream> asked = queries.is_none() ? nullptr : stream_of("queries", queries);
  Recommendation found;
  {
    const WithoutGil without;
    const Rows rows = asked ? Rows(*asked) : Rows(VectorKind::dense, 1);
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

py::dict train(const Path& folder, const Path& out_folder, const py::object& progress, const py::kwargs& arguments) {
  TwoLevelChoices choices;
  given_of(two_level_parameters(), arguments).apply(choices);
  choices.replace = replacing(choices.replace.overwrite);
  choices.progress = progress_of(progress);
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

void pack_index(const Path& index, const Path& archive, int level, unsigned num_threads, bool overwrite,
                const py::object& progress) {
  const ArchiveParams params{
      .level = level, .num_threads = num_threads, .replace = replacing(overwrite), .progress = progress_of(progress)};
  const WithoutGil without;
  pack(index, archive, params);
}

void unpack_index(const Path& archive, const Path& index, unsigned num_threads, bool overwrite,
                  const py::object& progress) {
  const ArchiveParams params{
      .num_threads = num_threads, .replace = replacing(overwrite), .progress = progress_of(progress)};
  const WithoutGil without;
  unpack(archive, index, params);
}

Index join(const Index& first, const Path& folder, const Path& path, const py::object& progress,
           const py::kwargs& arguments) {
  TokenChoices choices;
  given_of(join_parameters(), arguments).apply(choices);
  choices.replace = replacing(choices.replace.overwrite);
  choices.progress = progress_of(progress);
  const WithoutGil without;
  return Index::join(first, folder, choices, path);
}

void save(IndexHandle& handle, const Path& path, const py::object& progress, bool overwrite) {
  const Progress report = progress_of(progress);
  const WithoutGil without;
  handle.save(path, report, replacing(overwrite));
}

/// None: there is no such id.
std::optional<Id> row_of_id(const Index& index, const std::variant<std::int64_t, std::string>& id) {
  return std::visit([&](const auto& held) { return index.row(held); }, id);
}

py::list field_names(const Index& index) {
  py::list names;
  for (const FieldEntry& entry : index.fields().entries()) names.append(text(entry.name));
  return names;
}

/// None: there is no such field.
py::object field_values(const Index& index, const std::string& name) {
  const auto entries = index.fields().entries();
  const auto entry = std::ranges::find(entries, name, &FieldEntry::name);
  if (entry == entries.end()) return py::none();
  Column column;
  {
    const WithoutGil without;
    column = index.fields().column(static_cast<std::size_t>(entry - entries.begin()));
  }
  return column_object(column);
}

/// The row numbers that a condition selects, ascending.
py::array_t<std::int64_t> rows_where(const Index& index, const py::object& form) {
  const Condition condition(term_of(form));
  std::vector<std::int64_t> rows;
  {
    const WithoutGil without;
    index.rows_where(condition)->for_each([&](std::size_t row) { rows.push_back(static_cast<std::int64_t>(row)); });
  }
  py::array_t<std::int64_t> out(static_cast<py::ssize_t>(rows.size()));
  std::ranges::copy(rows, out.mutable_data());
  return out;
}

void verify(const Index& index, const py::object& progress) {
  const Progress report = progress_of(progress);
  const WithoutGil without;
  index.verify(report);
}

void warm(const Index& index, const py::object& progress, const py::kwargs& choices) {
  const OpenParams params = open_params(choices, progress);
  const WithoutGil without;
  index.warm(params.resident, params.lock, params.progress);
}

bool reload(IndexHandle& handle, const py::object& progress, const py::kwargs& choices) {
  const OpenParams params = open_params(choices, progress);
  const WithoutGil without;
  return handle.reload(params);
}

void close(IndexHandle& handle) {
  const WithoutGil without;
  handle.close();
}

py::object path_or_none(const Path& path) { return path.empty() ? py::object(py::none()) : text(path.string()); }

using python::object_of;  // of a value
py::object object_of(const Fact& fact);

py::list object_of(const std::vector<Fact>& facts) {
  py::list out;
  for (const Fact& fact : facts) out.append(object_of(fact));
  return out;
}

py::dict object_of(const Facts& facts) {
  py::dict out;
  for (const auto& [name, fact] : facts) out[text(name)] = object_of(fact);
  return out;
}

py::object object_of(const Fact& fact) {
  return std::visit([](const auto& held) { return py::object(object_of(held)); }, fact.content);
}

py::dict residency(const Index& index) { return object_of(residency_of(index)); }

/// The facts that Python shows, in its order.
py::dict info(const Index& index) {
  const py::dict facts = object_of(facts_of(index));
  py::dict out;
  for (const char* const name : {"class",      "kind",           "n",    "dim",       "metric",    "dtype",
                                 "navigation", "bits",           "m_pq", "opq",       "graph",     "postings",
                                 "rerank",     "ef_search",      "ids",  "fields",    "documents", "sections",
                                 "file_size",  "format_version", "uuid", "provenance"})
    out[name] = facts[name];
  out["format_version"] = py::tuple(out["format_version"]);
  out["path"] = path_or_none(index.path());
  return out;
}

/// The table of parameters.
py::tuple parameters() {
  py::list out;
  describe_table(build_parameters(), "build", out);
  describe_table(search_parameters(), "search", out);
  describe_table(open_parameters(), "open", out);
  describe_table(recommend_parameters(), "recommend", out);
  describe_table(two_level_parameters(), "two_level", out);
  describe_table(join_parameters(), "join", out);
  return py::tuple(out);
}

py::tuple classes() {
  static constexpr const char* kRoles[] = {"search", "traversal", "rerank", "residual", "maxsim"};
  py::list out;
  for (const IndexClass& one : index_classes())
    out.append(
        py::dict("name"_a = text(one.name), "vectors"_a = one.vector_kind == VectorKind::sparse ? "sparse" : "dense",
                 "kind"_a = text(name_of(one.kind)), "dtypes"_a = py::tuple(py::cast(one.first)),
                 "second"_a = py::tuple(py::cast(one.second)), "role"_a = kRoles[static_cast<std::size_t>(one.role)],
                 "metrics"_a = py::tuple(py::cast(one.metrics))));
  return py::tuple(out);
}

void define_index(py::module_& module) {
  py::class_<Index> defined(module, "Index");
  define_searches(defined);
  defined.def_static("open", &open_file, "path"_a, "check"_a, "progress"_a)
      .def_static("join", &join, "first"_a, "folder"_a, "path"_a, "progress"_a)
      .def("ids",
           [](const Index& index) {
             return index.external_ids() ? py::object(all_ids(*index.external_ids())) : py::none();
           })
      .def("row", &row_of_id, "id"_a)
      .def("fields", &field_names)
      .def("field", &field_values, "name"_a)
      .def("rows_where", &rows_where, "condition"_a)
      .def("documents", &documents_of, "ids"_a)
      .def("vectors", &vectors_of, "ids"_a)
      .def("verify", &verify, "progress"_a)
      .def("warm", &warm, "progress"_a)
      .def("residency", &residency)
      .def("info", &info)
      .def_property_readonly("class_name", [](const Index& index) { return text(index.class_name()); })
      .def_property_readonly(
          "sparse", [](const Index& index) { return index.manifest().schema.vector_kind == VectorKind::sparse; })
      .def_property_readonly("size", &Index::size)
      .def_property_readonly("dim", &Index::dim)
      .def_property_readonly("token_dim", &Index::token_dim)
      .def_property_readonly("metric",
                             [](const Index& index) { return text(name_of(index.manifest().schema.metric)); });
  py::class_<IndexHandle>(module, "IndexHandle")
      .def(py::init<const Index&>(), "index"_a)
      .def("get", &IndexHandle::get)
      .def("reload", &reload, "progress"_a)
      .def("save", &save, "path"_a, "progress"_a, "overwrite"_a)
      .def("close", &close)
      .def_property_readonly("path", [](const IndexHandle& handle) { return path_or_none(handle.path()); });
}

}  // namespace
}  // namespace cassata::python

// Python calls PyInit__core, below, instead of this function.
PYBIND11_MODULE(_core_of_main, module) {
  using namespace cassata::python;
  module.doc() = "The engine. Use the classes of the package cassata.";
  const py::tuple bases = py::make_tuple(py::handle(PyExc_OSError), py::handle(PyExc_ValueError));
  format_error = PyErr_NewExceptionWithDoc("cassata.FormatError",
                                           "An index file is damaged, truncated, foreign, or needs a newer version of "
                                           "this library. The message names the file and,\n"
                                           "if known, the section and the byte. It is also an OSError and a "
                                           "ValueError, as readers of files raise them; its errno is None.",
                                           bases.ptr(), nullptr);
  if (format_error == nullptr) throw py::error_already_set();
  module.add_object("FormatError", py::handle(format_error));
  py::register_local_exception_translator(
      [](std::exception_ptr pointer) {  // NOLINT(performance-unnecessary-value-param): pybind11 asks for it
        try {
          if (pointer) std::rethrow_exception(pointer);
        } catch (const cassata::Error& error) {
          raise(error);
        }
      });
  define_index(module);
  define_fuse(module);
  module.def("build", &build, "data"_a, "path"_a, "progress"_a, py::kw_only(), "name"_a = "data_vec",
             "class_name"_a = py::none(), "ids"_a = py::none(), "fields"_a = py::none(), "documents"_a = py::none(),
             "filters"_a = py::list());
  module.def("index_in", &index_in, "path"_a);
  module.def("recommend", &recommend_index, "data"_a, "queries"_a, "progress"_a);
  module.def("clean", &clean_folder, "folder"_a, "resumable"_a, "dry_run"_a);
  module.def("pack", &pack_index, "index"_a, "archive"_a, "level"_a, "num_threads"_a, "overwrite"_a, "progress"_a);
  module.def("unpack", &unpack_index, "archive"_a, "index"_a, "num_threads"_a, "overwrite"_a, "progress"_a);
  module.attr("archive_level") = cassata::ArchiveParams().level;
  module.def("train_two_level", &train, "folder"_a, "out_folder"_a, "progress"_a);
  module.attr("parameters") = parameters();
  module.attr("classes") = classes();
  module.attr("__version__") = cassata::library_version();
  module.attr("simd_target") = cassata::simd_target();
  py::dict aliases;
  for (const cassata::MetricRow& row : cassata::kMetrics)
    for (const std::string_view alias : row.aliases) aliases[text(alias)] = text(row.name);
  module.attr("metric_aliases") = aliases;
  module.attr("low_recall") = cassata::SelfCheck::kLow;
}

/// Refuses sub-interpreters, in which pybind11 would wait forever for the lock that this thread holds.
PYBIND11_PLUGIN_IMPL(_core) {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_main();
  PyErr_SetString(
      PyExc_ImportError,
      "cassata: imported in a sub-interpreter, which is unsupported: expected the main interpreter of a process "
      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
  return nullptr;
}
