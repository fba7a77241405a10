#include "format/input/sparse_files.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "format/input/vector_lengths.h"
#include "format/os/file_reader.h"

namespace cassata {
namespace {

constexpr std::size_t kBatchEntries = std::size_t{1} << 19, kBatchRows = std::size_t{1} << 16;
constexpr std::size_t kWindowBytes = std::size_t{4} << 20;

/// Reads a file front to back, some megabytes at a time.
class Window {
 public:
  explicit Window(const FileReader& file) : file_(file) {}

  std::uint64_t offset() const noexcept { return offset_; }
  std::uint64_t left() const noexcept { return file_.bytes() - offset_; }

  /// Copies the next bytes to `out`.
  void read(std::span<std::byte> out) {
    while (!out.empty()) {
      if (offset_ == begin_ + held_.size()) fill();
      const std::size_t at = static_cast<std::size_t>(offset_ - begin_), n = std::min(out.size(), held_.size() - at);
      std::memcpy(out.data(), held_.data() + at, n);
      out = out.subspan(n);
      offset_ += n;
    }
  }

 private:
  void fill() {
    begin_ = offset_;
    // At least 1 byte, so that reading beyond the end reports it.
    held_.resize(static_cast<std::size_t>(std::clamp<std::uint64_t>(left(), 1, kWindowBytes)));
    file_.read(held_, begin_);
  }

  const FileReader& file_;
  std::vector<std::byte> held_;
  std::uint64_t begin_ = 0, offset_ = 0;
};

/// Parses a sparse .bin file, vector by vector.
class SparseFile {
 public:
  explicit SparseFile(const FileReader& file) : file_(file), window_(file) {}

  std::uint32_t number() {
    std::uint32_t value;
    window_.read(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  /// Appends the entries of the next vector.
  void row(std::uint64_t row, std::vector<std::uint32_t>& components, std::vector<float>& values) {
    const std::uint64_t at = window_.offset();
    const std::uint32_t count = number();
    if (count > window_.left() / (sizeof(std::uint32_t) + sizeof(float)))
      file_.refuse("row " + std::to_string(row) + " at byte " + std::to_string(at) + ": " + std::to_string(count) +
                   " entries of 8 bytes, expected at most the " + std::to_string(window_.left()) +
                   " bytes that follow; the file is truncated, or not a sparse .bin file");
    const std::size_t first = components.size();
    components.resize(first + count);
    values.resize(first + count);
    window_.read(std::as_writable_bytes(std::span(components).subspan(first)));
    window_.read(std::as_writable_bytes(std::span(values).subspan(first)));
  }
  std::uint64_t left() const noexcept { return window_.left(); }

 private:
  const FileReader& file_;
  Window window_;
};

/// True if check_sparse_row() accepts the vector in any order. Without early exits, so that the compiler vectorizes the
/// loops.
bool is_good(VectorView vector) {
  const std::span<const std::uint32_t> components = vector.components;
  std::uint32_t bad = !components.empty() && components.back() > kMaxComponent ? 1u : 0u;
  for (std::size_t i = 1; i < components.size(); ++i) bad |= components[i] <= components[i - 1] ? 1u : 0u;
  return bad == 0 && comparable(vector.values);
}

struct Extent {
  std::uint64_t rows;
  std::uint64_t dim;  // at least 1
  std::uint64_t entries;
};

/// Reads the file for the first time: checks it and finds its extent.
Extent extent_of(const FileReader& file) {
  if (file.bytes() < sizeof(std::uint32_t))
    file.refuse(std::to_string(file.bytes()) +
                " bytes, expected at least 4: a sparse .bin file begins with its number of vectors");
  SparseFile vectors(file);
  Extent extent{.rows = vectors.number(), .dim = 1, .entries = 0};
  std::vector<std::uint32_t> components;
  std::vector<float> values;
  for (std::uint64_t row = 0; row < extent.rows; ++row) {
    components.clear();
    values.clear();
    vectors.row(row, components, values);
    check_sparse_row(file.name(), row, {.values = values, .components = components});
    extent.entries += values.size();
    if (!components.empty()) extent.dim = std::max<std::uint64_t>(extent.dim, std::uint64_t{components.back()} + 1);
  }
  if (vectors.left() != 0)
    file.refuse(std::to_string(vectors.left()) + " bytes after the last of " + std::to_string(extent.rows) +
                " rows, expected none");
  return extent;
}

class SparseFileStream final : public SparseStream {
 public:
  SparseFileStream(FileReader file, Extent extent)
      : SparseStream(file.name(), extent.rows, static_cast<std::size_t>(extent.dim), extent.entries, true),
        file_(std::move(file)),
        vectors_(file_) {
    vectors_.number();
  }

 private:
  void read_row(std::vector<std::uint32_t>& components, std::vector<float>& values) override {
    vectors_.row(next_++, components, values);
  }

  FileReader file_;
  SparseFile vectors_;
  std::uint64_t next_ = 0;
};

class SparseMemoryStream final : public SparseStream {
 public:
  SparseMemoryStream(std::string name, std::span<const std::uint32_t> components, std::span<const float> values,
                     std::span<const std::uint64_t> offsets, std::size_t dim)
      : SparseStream(std::move(name), offsets.size() - 1, dim, components.size(), false),
        components_(components),
        values_(values),
        offsets_(offsets) {}

 private:
  void read_row(std::vector<std::uint32_t>& components, std::vector<float>& values) override {
    const std::size_t begin = offsets_[next_], count = offsets_[next_ + 1] - begin;
    ++next_;
    components.insert(components.end(), components_.begin() + static_cast<std::ptrdiff_t>(begin),
                      components_.begin() + static_cast<std::ptrdiff_t>(begin + count));
    values.insert(values.end(), values_.begin() + static_cast<std::ptrdiff_t>(begin),
                  values_.begin() + static_cast<std::ptrdiff_t>(begin + count));
  }

  std::span<const std::uint32_t> components_;
  std::span<const float> values_;
  std::span<const std::uint64_t> offsets_;
  std::size_t next_ = 0;
};

}  // namespace

void check_sparse_row(const std::string& name, std::uint64_t row, VectorView vector, ComponentOrder order) {
  if (is_good(vector)) return;
  const auto refuse = [&](std::size_t i, const std::string& found) {
    invalid_argument(name + ": row " + std::to_string(row) + ", entry " + std::to_string(i) + ": " + found);
  };
  for (std::size_t i = 0; i < vector.values.size(); ++i) {
    const std::uint32_t component = vector.components[i];
    if (component > kMaxComponent)
      refuse(i, "component " + std::to_string(component) + ", expected at most " + std::to_string(kMaxComponent));
    if (order == ComponentOrder::rising && i != 0 && component <= vector.components[i - 1])
      refuse(i, "component " + std::to_string(component) + " after " + std::to_string(vector.components[i - 1]) +
                    ", expected strictly increasing components");
    if (!std::isfinite(vector.values[i])) refuse(i, std::to_string(vector.values[i]) + ", expected a finite number");
  }
  if (!comparable(vector.values)) refuse(largest_value(vector.values), length_fault(vector.values));
}

void check_offsets(const std::string& name, std::span<const std::uint64_t> offsets, std::uint64_t components,
                   std::uint64_t values) {
  if (components != values)
    invalid_argument("components: " + std::to_string(components) + " components, expected " + std::to_string(values) +
                     ", one for each value");
  if (offsets.empty()) invalid_argument(name + ": none, expected 0 and the end of each row");
  if (offsets.front() != 0 || offsets.back() != values)
    invalid_argument(name + ": from " + std::to_string(offsets.front()) + " to " + std::to_string(offsets.back()) +
                     ", expected 0 to the number of entries, " + std::to_string(values));
  for (std::size_t i = 1; i < offsets.size(); ++i)
    if (offsets[i] < offsets[i - 1])
      invalid_argument(name + ": " + std::to_string(offsets[i]) + " at place " + std::to_string(i) + " after " +
                       std::to_string(offsets[i - 1]) + ", expected non-decreasing offsets");
}

Batch SparseStream::next_batch() {
  components_.clear();
  values_.clear();
  offsets_.assign(1, 0);
  while (done() < size() && values_.size() < kBatchEntries && offsets_.size() <= kBatchRows) {
    read_row(components_, values_);
    const auto begin = static_cast<std::size_t>(offsets_.back());
    const VectorView row = {.values = std::span(values_).subspan(begin),
                            .components = std::span(components_).subspan(begin)};
    check_sparse_row(name(), done(), row);
    if (!row.components.empty() && row.components.back() >= dim())
      invalid_argument(name() + ": row " + std::to_string(done()) + ": component " +
                       std::to_string(row.components.back()) + ", expected at most " + std::to_string(dim() - 1) +
                       ", the largest when they were first read; the vectors have changed since");
    offsets_.push_back(values_.size());
    const auto count = static_cast<std::uint32_t>(row.values.size());
    note(1, std::as_bytes(std::span(&count, 1)));  // hashes the bytes of a .bin file, also for rows from memory
    note(0, std::as_bytes(row.components));
    note(0, std::as_bytes(row.values));
  }
  return {.data = values_.data(),
          .rows = offsets_.size() - 1,
          .dim = dim(),
          .components = components_.data(),
          .offsets = offsets_.data()};
}

std::unique_ptr<SparseStream> open_sparse_stream(const std::filesystem::path& path) {
  if (const std::string extension = input_extension(path); extension != ".bin")
    invalid_argument(path.string() + ": extension '" + extension +
                     "', expected .bin: u32 n; for each vector u32 nnz, nnz u32 components, nnz f32 values");
  FileReader file(path);
  const Extent extent = extent_of(file);
  return std::make_unique<SparseFileStream>(std::move(file), extent);
}

std::unique_ptr<SparseStream> sparse_memory_stream(std::string name, std::span<const std::uint32_t> components,
                                                   std::span<const float> values,
                                                   std::span<const std::uint64_t> offsets) {
  check_offsets("offsets", offsets, components.size(), values.size());
  std::size_t dim = 1;
  for (const std::uint32_t component : components) dim = std::max(dim, std::size_t{component} + 1);
  return std::make_unique<SparseMemoryStream>(std::move(name), components, values, offsets, dim);
}

}  // namespace cassata
